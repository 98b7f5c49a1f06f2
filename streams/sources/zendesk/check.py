"""Who the login belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.errors import CredentialsError
from streams.sources.zendesk.client import ZendeskClient


class _Me(msgspec.Struct):
    id: int | None = None
    name: str = ""
    email: str | None = None
    role: str = ""


class _MePage(msgspec.Struct):
    user: _Me


_PAGE: Final = msgspec.json.Decoder(_MePage)


@dataclass(frozen=True, slots=True)
class Me:
    """The user of the login; ``role`` is ``admin``, ``agent`` or ``end-user``."""

    id: int
    name: str
    email: str
    role: str


async def whoami(client: ZendeskClient) -> Me:
    """Return who the login belongs to.

    Raises CredentialsError for a login that is not accepted: Zendesk then answers with 401, or with
    an anonymous user that has no id. Source: Zendesk's API reference, "Show Self".
    """
    page, _ = await client.get("/api/v2/users/me.json", _PAGE, "me")
    me = page.user
    if me.id is None:
        raise CredentialsError(f"Zendesk knows nobody by this login; check {client.login.variables}")
    return Me(me.id, me.name, me.email or "", me.role)
