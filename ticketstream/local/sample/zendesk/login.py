"""Which Authorization headers the account lets in, and to what."""

from __future__ import annotations

import base64
import hmac
from typing import Final, NamedTuple

import orjson

from ticketstream.local.sample.zendesk.oauth import Authority

_WRONG: Final = orjson.dumps({"error": "Couldn't authenticate you"})
_ENDED: Final = orjson.dumps(
    {
        "error": "invalid_token",
        "error_description": "The access token provided is expired, revoked, malformed or invalid "
        "for other reasons.",
    }
)
_BEARER: Final = b"Bearer "


class Refusal(NamedTuple):
    """The answer to a call that is not let in."""

    status: int
    body: bytes


class Login:
    """The credentials the account accepts.

    An OAuth token that never ends, an e-mail address with an API token, and what ``authority`` has given out.
    """

    def __init__(
        self, oauth_token: str | None, email: str | None, api_token: str | None, authority: Authority
    ) -> None:
        self._authority = authority
        self._accepted = []
        if oauth_token:
            self._accepted.append(f"Bearer {oauth_token}".encode())
        if email and api_token:
            pair = base64.b64encode(f"{email}/token:{api_token}".encode()).decode()
            self._accepted.append(f"Basic {pair}".encode())

    def refusal(self, header: bytes, method: str, path: str) -> Refusal | None:
        """Return why a call with that Authorization header is not let in; None when it is."""
        if any(hmac.compare_digest(header, good) for good in self._accepted):
            return None
        if not header.startswith(_BEARER):
            return Refusal(401, _WRONG)
        scopes = self._authority.scopes_of(header.removeprefix(_BEARER).decode("latin-1"))
        if scopes is None:
            return Refusal(401, _ENDED)
        needed = needed_scopes(method, path)
        if scopes.isdisjoint(needed):
            missing = "You are missing the following required scopes: " + ", ".join(needed)
            return Refusal(403, orjson.dumps({"error": "Forbidden", "description": missing}))
        return None


def needed_scopes(method: str, path: str) -> tuple[str, str]:
    """Return the scopes of which a token must have one: that of the resource, or that of all."""
    parts = path.removeprefix("/api/v2/").replace(".json", "").split("/")
    resource = parts[1] if parts[0] == "incremental" and len(parts) > 1 else parts[0]
    if resource in ("ticket_events", "deleted_tickets"):
        resource = "tickets"
    access = "read" if method == "GET" else "write"
    return f"{resource}:{access}", access
