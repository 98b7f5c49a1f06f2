"""Who the login belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from schemas.errors import CredentialsError
from schemas.outside import Lenient, field_of, id_of, text_of
from streams.sources.zendesk.client import ZendeskClient


@dataclass(frozen=True, slots=True)
class Me:
    """The user of the login; ``role`` is ``admin``, ``agent`` or ``end-user``."""

    id: int
    name: str
    email: str
    role: str


class _Answer(msgspec.Struct):
    user: dict[str, Any] | None


def _me(answer: _Answer) -> Me | None:
    number = id_of(field_of(answer.user, "id"))
    if number is None:
        return None
    name, email, role = (text_of(field_of(answer.user, field)) for field in ("name", "email", "role"))
    return Me(number, name, email, role)


_ANSWER: Final = Lenient(_Answer, _me)


async def whoami(client: ZendeskClient) -> Me:
    """Return who the login belongs to.

    Raises CredentialsError for a login that is not accepted: Zendesk then answers with 401, or with
    an anonymous user that has no id. Source: Zendesk's API reference, "Show Self".
    """
    me, _ = await client.get("/api/v2/users/me.json", _ANSWER, "me")
    if me is None:
        raise CredentialsError(f"Zendesk knows nobody by this login; check {client.login.variables}")
    return me
