"""Who the login belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from schemas.errors import CredentialsError
from schemas.outside import Lenient, field_of, id_of, text_of

if TYPE_CHECKING:
    from streams.sources.zendesk.client import ZendeskClient


@dataclass(frozen=True, slots=True)
class Me:
    """The user of the login; ``role`` is ``admin``, ``agent`` or ``end-user``."""

    id: int
    name: str
    email: str
    role: str
    suspended: bool = False


class _Answer(msgspec.Struct):
    user: dict[str, Any] | None


def _me(answer: _Answer) -> Me | None:
    number = id_of(field_of(answer.user, "id"))
    if number is None:
        return None
    name, email, role = (text_of(field_of(answer.user, field)) for field in ("name", "email", "role"))
    return Me(number, name, email, role, field_of(answer.user, "suspended") is True)


_ANSWER: Final = Lenient(_Answer, _me)


async def whoami(client: ZendeskClient) -> Me:
    """Return who the login belongs to.

    Raises CredentialsError for a login that is not accepted: Zendesk then answers with 401, or with
    an anonymous user that has no id; somebody who is suspended may do nothing. Sources: Zendesk's API
    reference, "Show Self"; "Users".
    """
    me, _ = await client.get("/api/v2/users/me.json", _ANSWER, "me")
    if me is None:
        raise CredentialsError(f"Zendesk knows nobody by this login; check {client.login.variables}")
    if me.suspended:
        raise CredentialsError(
            f"Zendesk has suspended the user of the login: lift that, or check {client.login.variables}"
        )
    return me
