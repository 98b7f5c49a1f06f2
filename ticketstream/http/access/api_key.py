"""The key of the HTTP API, and the cookie that stands for it.

A session is ``EXPIRES.MAC``: Unix seconds, and an HMAC of them under the key. Nothing is kept, so a
session outlives a restart, and ends with the key or after a week.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final, NamedTuple

from schemas.errors import UserError
from schemas.settings.load import PREFIX, Settings
from streams.secret_file import secret_in

KEY_FILE: Final = "api-key"
COOKIE: Final = "ticketstream_session"
SESSION_SECONDS: Final = 7 * 24 * 3600
_LONGEST_KEY: Final = 1_000


class ApiKey:
    """The key; every comparison takes the same time, whatever is compared."""

    def __init__(self, key: str) -> None:
        self._key = key.encode("utf-8", "surrogatepass")

    def matches(self, given: str) -> bool:
        """Return whether this is the key."""
        said = given.encode("utf-8", "surrogatepass")
        # Of equal length, so that the length is not told either.
        return hmac.compare_digest(hashlib.sha256(said).digest(), hashlib.sha256(self._key).digest())

    def new_session(self, now: float) -> str:
        """Return the value of a cookie that stands for the key for a week."""
        expires = str(int(now) + SESSION_SECONDS)
        return f"{expires}.{self._mac(expires)}"

    def is_session(self, cookie: str, now: float) -> bool:
        """Return whether a cookie's value was made with this key, and is not over."""
        expires, _, mac = cookie.partition(".")
        genuine = hmac.compare_digest(self._mac(expires).encode(), mac.encode("utf-8", "surrogatepass"))
        return genuine and now < int(expires)

    def _mac(self, expires: str) -> str:
        said = b"ticketstream session " + expires.encode("utf-8", "surrogatepass")
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()


class FoundKey(NamedTuple):
    """The key in force; ``path`` is the file it lies in, None where the settings name it."""

    key: ApiKey
    path: Path | None


def find_key(settings: Settings) -> FoundKey:
    """Return the key of the settings, or else that of the data directory, made if there is none.

    Raises UserError when the file can be neither read nor made, or holds no key.
    """
    if settings.http.api_key is not None:
        return FoundKey(ApiKey(settings.http.api_key.get_secret_value()), None)
    path = settings.data_dir.expanduser() / KEY_FILE
    try:
        key = secret_in(path, lambda: secrets.token_urlsafe(32))[:_LONGEST_KEY]
    except OSError as error:
        raise UserError(
            f"the API key in {path} cannot be read or made: {error.strerror or error}; mend this, or set "
            f"{PREFIX}HTTP__API_KEY"
        ) from None
    if len(key) < 16:
        raise UserError(f"{path} holds no API key: delete it, and a new one is made")
    return FoundKey(ApiKey(key), path)
