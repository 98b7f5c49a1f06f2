"""The login of a process: every door takes it from here."""

from __future__ import annotations

from schemas.settings import Settings
from streams.sources.zendesk.auth import login_of
from streams.sources.zendesk.login import Login


def login_for(settings: Settings) -> Login:
    """Return the login of the settings; raises SettingsError naming the variables when there is none."""
    return login_of(settings)
