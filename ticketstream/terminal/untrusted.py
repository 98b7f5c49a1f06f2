"""Text from outside, made harmless for a terminal."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cs", "Cf", "Zl", "Zp", "Co", "Cn"})
_JOINERS: Final = frozenset("\u200c\u200d")
"""Format characters that scripts and emoji are made of; they move no cursor and turn no text round."""
_SUSPECT: Final = re.compile(r"[^ -~\u00a0-\u00ac\u00ae-\u02ff]")


def printable_text(text: str, *, lines: bool = False) -> str:
    r"""Return the text with what could steer a terminal spelled out, as ``\x1b``.

    That is control and escape characters, marks that turn the direction of writing, and lone
    surrogates, which a terminal's encoding cannot carry. ``lines`` leaves line breaks and tabs.
    """
    kept = "\n\t" if lines else ""

    def spelled(match: re.Match[str]) -> str:
        character = match[0]
        if character in kept or character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
            return character
        return (
            character.encode("ascii", "backslashreplace").decode("ascii")
            if ord(character) > 127
            else (f"\\x{ord(character):02x}")
        )

    return _SUSPECT.sub(spelled, text)


def one_line(text: str) -> str:
    """Return the text as one printable line, with all white space as single spaces."""
    return printable_text(" ".join(text.split()))


def shortened(text: str, length: int, around: str = "") -> str:
    """Return at most about ``length`` characters of a line, cut at spaces, near the first word of ``around``.

    What is left out is marked with ``…``.
    """
    if len(text) <= length:
        return text
    start = max(0, _first_mention(text, around) - length // 3)
    start = min(start, len(text) - length)
    end = start + length
    if start > 0 and (space := text.find(" ", start, start + 20)) >= 0:
        start = space + 1
    if end < len(text) and (space := text.rfind(" ", end - 20, end)) > start:
        end = space
    return ("…" if start > 0 else "") + text[start:end] + ("…" if end < len(text) else "")


def _first_mention(text: str, around: str) -> int:
    lowered = text.lower()
    places = [lowered.find(word) for word in around.lower().split() if len(word) > 3]
    return min((place for place in places if place >= 0), default=0)
