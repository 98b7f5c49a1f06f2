"""Secrets that a process got while it runs, for whoever must not write one down."""

from __future__ import annotations

from collections import deque
from typing import Final

_SHORTEST: Final = 6
"""Shorter ones would black out ordinary words."""
_KEPT: Final = 64
"""The newest: an access token is renewed twice an hour, and what is older has ended."""

_got: deque[str] = deque(maxlen=_KEPT)


def keep_secret(text: str) -> None:
    """Have the logs of this process black out a text from now on."""
    if len(text) >= _SHORTEST and text not in _got:
        _got.append(text)


def kept_secrets() -> tuple[str, ...]:
    """Return what must not be written down."""
    return tuple(_got)
