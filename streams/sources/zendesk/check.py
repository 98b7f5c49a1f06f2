"""Who the login belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from schemas.errors import CredentialsError

if TYPE_CHECKING:
    from streams.sources.zendesk.client import ZendeskClient


class _Me(msgspec.Struct):
    id: int | None = None
    name: str = ""
    email: str | None = None
    role: str = ""
    suspended: bool | None = False


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
    an anonymous user that has no id; somebody who is suspended may do nothing. Sources: Zendesk's API
    reference, "Show Self"; "Users".
    """
    page, _ = await client.get("/api/v2/users/me.json", _PAGE, "me")
    me = page.user
    if me.id is None:
        raise CredentialsError(f"Zendesk knows nobody by this login; check {client.login_variables}")
    if me.suspended:
        raise CredentialsError(
            f"Zendesk has suspended the user of the login: lift that, or check {client.login_variables}"
        )
    return Me(me.id, me.name, me.email or "", me.role)
