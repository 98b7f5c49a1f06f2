"""What the topic ``zendesk.logins`` holds: the pairs of access and refresh token, and who renews them.

A *chain* is what grew out of one first refresh token; each renewal makes its next *generation*. Of several
chains the one with the highest ``ordinal`` counts: that of the newest login. Tokens are sealed (see
streams.logins.sealing), all else is plain.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

_SEPARATOR: Final = "|"

Cause = Literal["login", "due", "refused"]
"""Why a pair was got: by `ticketstream login`, in time, or because Zendesk refused the one before."""


class LoginBegun(msgspec.Struct, frozen=True):
    """The refresh token of the settings is used from here on; written before its first use.

    ``chain`` is its keyed hash, so that every process knows which of the settings' tokens were used.
    """

    ordinal: int
    chain: str


class LoginClaim(msgspec.Struct, frozen=True):
    """``claimant`` wants to use the refresh token of a generation, for ``seconds`` from the record's time."""

    chain: str
    generation: int
    claimant: str
    seconds: float


class LoginPair(msgspec.Struct, frozen=True):
    """One generation: ``sealed`` holds both tokens, ``key_id`` tells by which key.

    Times are Unix seconds by the clock of the process ``by`` that got it. Where Zendesk names no life, they
    follow from its defaults, 30 minutes and 30 days.
    """

    ordinal: int
    chain: str
    generation: int
    issued_at: float
    access_ends: float
    refresh_ends: float
    cause: Cause
    by: str
    key_id: str
    sealed: str


class LoginDead(msgspec.Struct, frozen=True):
    """Zendesk has refused the refresh token of a generation for good; nobody uses it again."""

    chain: str
    generation: int
    reason: str


LoginRecord = LoginBegun | LoginClaim | LoginPair | LoginDead


def login_prefix(account: str, client_id: str) -> str:
    """Return what the keys of all records of an OAuth client begin with."""
    return f"{account}{_SEPARATOR}{client_id}{_SEPARATOR}"


def login_key(account: str, client_id: str, record: LoginRecord) -> bytes:
    """Return the key of a record; compaction keeps the newest of each.

    A pair's names its generation: a record that comes late never takes the place of a newer pair.
    """
    own: tuple[str, ...]
    match record:
        case LoginBegun():
            own = ("begun", record.chain)
        case LoginClaim():
            own = ("claim",)
        case LoginPair():
            own = ("pair", record.chain, str(record.generation))
        case LoginDead():
            own = ("dead", record.chain, str(record.generation))
    return (login_prefix(account, client_id) + _SEPARATOR.join(own)).encode()
