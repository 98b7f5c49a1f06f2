"""What an answer of Zendesk means: limit headers, and the error that goes with a status."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from schemas.errors import (
    CredentialsError,
    RateLimitedError,
    RefusedError,
    TicketstreamError,
    UnavailableError,
    quoting,
)
from schemas.settings.load import PREFIX

HTML: Final = "text/html"
CHECK_ADDRESS: Final = (
    "the account is being moved or maintained, or it is not there; if this does not pass, check "
    f"{PREFIX}ZENDESK__SUBDOMAIN and {PREFIX}ZENDESK__BASE_URL"
)
LONGEST_PAUSE: Final = 3600.0
"""Seconds; no header makes us wait longer before asking again."""

_REMAINING: Final = frozenset((b"ratelimit-remaining", b"rate-limit-remaining", b"x-rate-limit-remaining"))
_RESET: Final = frozenset((b"ratelimit-reset", b"rate-limit-reset", b"x-rate-limit-reset"))
_ENDPOINT: Final = b"zendesk-ratelimit-incremental"
_LACKS_SCOPE: Final = "missing the following required scopes"
"""Source: recorded answers of Zendesk to tokens with too small a scope."""
_RETRYABLE: Final = frozenset((408, 409, 425))


class AnswerTooLargeError(RefusedError):
    """An answer over the size limit; asking for a smaller page may help."""


class ScopeError(CredentialsError):
    """403: the token's scope does not cover calls of this kind."""


class LoginRefusedError(CredentialsError):
    """401: Zendesk does not know the header that was sent; another one may help."""


@dataclass(slots=True)
class Heading:
    """What is read of an answer's headers; None where one is missing or makes no sense.

    ``remaining`` and ``reset`` are the account's general limit (calls, seconds); the ``incremental_``
    ones that of the incremental exports, which has a bucket of its own. ``retry_after`` is in seconds.
    """

    content_type: str = ""
    encoded: bool = False
    remaining: float | None = None
    reset: float | None = None
    incremental_remaining: float | None = None
    incremental_reset: float | None = None
    retry_after: float | None = None


def read_heading(headers: list[tuple[bytes, bytes]]) -> Heading:
    """Return what matters of the headers.

    The limit headers have been seen as ``X-Rate-Limit-…``, ``ratelimit-…`` and ``rate-limit-…``, in any case.
    Endpoint buckets come as ``zendesk-ratelimit-<endpoint>: total=100; remaining=99; resets=42``.
    Source: Zendesk's API reference, "Rate limits", and recorded answers.
    """
    found = Heading()
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in _REMAINING:
            found.remaining = _number(value)
        elif name in _RESET:
            found.reset = _number(value)
        elif name == b"content-type":
            found.content_type = value.decode("latin-1").partition(";")[0].strip().lower()
        elif name == b"content-encoding":
            found.encoded = value.lower() != b"identity"
        elif name == b"retry-after":
            found.retry_after = _retry_after(value)
        elif name.startswith(_ENDPOINT):
            parts = dict(part.strip().partition(b"=")[::2] for part in value.split(b";"))
            found.incremental_remaining = _number(parts.get(b"remaining", b""))
            found.incremental_reset = _number(parts.get(b"resets", b""))
    return found


def _number(value: bytes) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return min(number, LONGEST_PAUSE * 1e6) if math.isfinite(number) and number >= 0 else None


def _retry_after(value: bytes) -> float | None:
    """Seconds, or an HTTP date (RFC 9110)."""
    seconds = _number(value)
    if seconds is None:
        try:
            seconds = max(parsedate_to_datetime(value.decode("latin-1")).timestamp() - time.time(), 0.0)
        except ValueError:
            return None
    return min(seconds, LONGEST_PAUSE)


def error_of(
    status: int, heading: Heading, body: bytes, what: str, login_variables: str
) -> TicketstreamError | None:
    """Return the error that a status stands for, None for a success.

    ``what`` names the call in the error; ``login_variables`` the settings that hold the login. A 403 is
    RefusedError here: whether the login or only this one thing is refused, the client has to ask. Redirects
    can pass, and are no reason to give anything up.
    """
    if 200 <= status < 300:
        return None
    excerpt = _excerpt(body)
    said = f"Zendesk answered {status} to {what}{excerpt}"
    return quoting(_error(status, heading, said, login_variables), excerpt)


def _error(status: int, heading: Heading, said: str, login_variables: str) -> TicketstreamError:
    if status == 429:
        return RateLimitedError(said, heading.retry_after)
    if status >= 500 or status in _RETRYABLE:
        return UnavailableError(said, heading.retry_after)
    if status == 401:
        return LoginRefusedError(f"{said}: the login is not accepted; check {login_variables}")
    if status == 403 and _LACKS_SCOPE in said:
        # Of all there is of its kind, not of this one thing alone.
        return ScopeError(f"{said}: set {PREFIX}ZENDESK__OAUTH_SCOPE to what is asked for")
    if 300 <= status < 400 or (status == 404 and heading.content_type == HTML):
        # An account that is being moved redirects for a while, one that does not exist for ever. A page in
        # place of the API's own 404 says nothing of a ticket: taken for one, the ticket would be removed.
        return UnavailableError(f"{said}: {CHECK_ADDRESS}", heading.retry_after)
    return RefusedError(said, status)


def page_instead(status: int, what: str) -> str:
    """Return the words for an HTML page where JSON was asked for: maintenance, or a wrong address."""
    return f"Zendesk answered {status} to {what}, but with an HTML page: {CHECK_ADDRESS}"


def _excerpt(body: bytes) -> str:
    """Return the start of a body as one printable line; it comes from outside."""
    text = " ".join(body[:600].decode("utf-8", "replace").split())
    text = "".join(character for character in text if character.isprintable())[:200]
    return f" ({text})" if text else ""
