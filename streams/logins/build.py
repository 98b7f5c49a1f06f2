"""The login of a process: every door takes it from here."""

from __future__ import annotations

from schemas.errors import SettingsError
from schemas.settings.load import Settings
from streams.logins.chosen import ChosenLogin
from streams.logins.stored import CLIENT_ID, REFRESH_TOKEN, stored_login_of
from streams.sources.zendesk.auth import login_of
from streams.sources.zendesk.login import Login


def login_for(settings: Settings) -> Login:
    """Return the login of the settings; raises SettingsError naming the variables when there is none.

    An OAuth client with a refresh token in the settings, or without a secret, has the grant
    ``refresh_token``. One with a secret has it too once `ticketstream login` has stored a pair, and
    ``client_credentials`` as long as it has not.
    """
    zendesk = settings.zendesk
    if zendesk.oauth_client_id is None:
        if zendesk.oauth_refresh_token is not None:
            raise SettingsError(f"{REFRESH_TOKEN} is set but {CLIENT_ID} is not: set both")
        return login_of(settings)
    if zendesk.oauth_refresh_token is not None or zendesk.oauth_client_secret is None:
        return stored_login_of(settings).login()
    if settings.kafka.bootstrap_servers is None or zendesk.subdomain is None:
        return login_of(settings)
    return ChosenLogin(login_of(settings), stored_login_of(settings).login(), settings.cluster)
