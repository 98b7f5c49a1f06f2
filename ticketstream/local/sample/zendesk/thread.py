"""Threads of thousands of comments, made when they are read: Zendesk takes 5,000 of 64 kB a ticket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, overload

from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.people import Row
from ticketstream.local.sample.zendesk.texts import body_of
from ticketstream.local.sample.zendesk.tickets import comment_id, comment_row, via

_WORDS: Final = (
    *("the", "printer", "order", "refund", "invoice", "again", "still", "waiting", "for", "parcel", "number"),
    *(
        "customer",
        "asked",
        "why",
        "account",
        "was",
        "charged",
        "twice",
        "and",
        "when",
        "it",
        "will",
        "arrive",
    ),
)
_EVERY: Final = 9
"""Words after which a number stands, so that no two pieces of a thread are the same."""
_INTERNAL_EVERY: Final = 5
"""Comments of which one is an internal note."""


class LongThread(Sequence[Row]):
    """The ``first`` comments of a ticket, and generated ones of so many ``characters``: ``count`` in all."""

    def __init__(
        self, ticket_id: int, first: Sequence[Row], count: int, characters: int, *, author: int, begin: int
    ) -> None:
        self._ticket_id = ticket_id
        self._first = list(first[:count])
        self._count = count
        self._characters = characters
        self._author = author
        self._begin = begin

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._row(number) for number in range(*index.indices(self._count))]
        return self._row(range(self._count)[index])

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, range(self._count))

    def _row(self, number: int) -> Row:
        if number < len(self._first):
            return self._first[number]
        return comment_row(
            comment_id(self._ticket_id, number),
            self._author,
            body_of(text_of(number, self._characters)),
            number % _INTERNAL_EVERY != 0,
            iso(self._begin + number),
            via("api"),
            [],
        )


def text_of(number: int, characters: int) -> str:
    """Return the text of a comment of a long thread; its first word is found in no other."""
    words = [f"Comment{number}."]
    size = len(words[0])
    while size < characters:
        place = len(words)
        word = _WORDS[(number * 7 + place * place) % len(_WORDS)]
        words.append(f"{word} {number}-{place}." if place % _EVERY == 0 else word)
        size += len(words[-1]) + 1
    return " ".join(words)[:characters]
