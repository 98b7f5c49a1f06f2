"""A sample Zendesk: a stand-in server with a generated account, for the demo, tests and benchmarks."""

from __future__ import annotations

from typing import Final

DEFAULT_OAUTH_TOKEN: Final = "sample-oauth-token"  # noqa: S105 - a sample account has no secrets
DEFAULT_EMAIL: Final = "agent@example.org"
DEFAULT_API_TOKEN: Final = "sample-api-token"  # noqa: S105
"""The logins a sample account accepts when it is started with none."""
