"""The text of HTML that is too much for a parser: read once from front to back, in linear time.

A parser's time and memory grow with the nesting, and mails can be made to nest without end. Here nothing is
nested: a tag is a line break, a blank or nothing, and what no reader sees is passed over to its end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Final

_MARK: Final = re.compile(r"<(?:!--|(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)|[!?/])")
_RAW: Final = frozenset(("script", "style", "iframe", "noscript", "textarea"))
"""Elements that hold no others; one that is not closed goes on to the end. Source: the HTML standard."""


class _Ends:
    """Looks for the ends of elements; none is looked for twice where there is none."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._none: set[str] = set()

    def after(self, name: str, start: int) -> int | None:
        """Return where the end tag of an element begins; None where it has none."""
        if name in self._none:
            return None
        found = re.compile(rf"</{name}(?![a-z0-9])", re.IGNORECASE | re.ASCII).search(self._html, start)
        if found is None:
            self._none.add(name)
            return None
        return found.start()


def text_of_flat(html: str, *, breaks: Mapping[str, str], dropped: frozenset[str]) -> str:
    """Return the text of HTML, entities resolved.

    ``breaks`` is what stands for a tag, by its name in small letters, ``dropped`` the elements whose content
    is no text. Never raises.
    """
    parts: list[str] = []
    ends = _Ends(html)
    place = 0
    while (mark := _MARK.search(html, place)) is not None:
        parts.append(html[place : mark.start()])
        comment = mark[0] == "<!--"
        closing = html.find("-->" if comment else ">", mark.end())
        if closing < 0:
            place = len(html)  # a tag or comment that never ends: no browser shows the rest
            break
        place = closing + (3 if comment else 1)
        name = (mark["name"] or "").lower()
        if name in dropped and not mark["end"]:
            end = ends.after(name, place)
            if end is not None:
                place = end
            elif name in _RAW:
                place = len(html)
        parts.append(breaks.get(name, ""))
    parts.append(html[place:])
    return unescape("".join(parts))
