"""What account, index and pipeline say of each ticket: rows of a few numbers, for millions of tickets.

Rows are appended as they are read and sorted when all are there; nothing here does I/O.
"""

from __future__ import annotations

from array import array
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.ids import Visibility
from schemas.parts import ManyChunks, added, content_of, place_of

Ints = npt.NDArray[np.integer[Any]]
"""Whole numbers, of the smallest type that holds them."""
Flags = npt.NDArray[np.bool_]

_OTHER_STATUS: Final = 65_535


class Presence(IntEnum):
    """What the account says of a ticket."""

    PRESENT = 0
    DELETED = 1
    UNREADABLE = 2
    """It is there, but its row cannot be read; nothing is said about it."""


class Statuses:
    """Numbers for the names of statuses, the same for account and index."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, status: str) -> int:
        """Return the number of a status."""
        known = self._numbers.get(status)
        if known is None:
            known = min(len(self._numbers), _OTHER_STATUS)
            if known < _OTHER_STATUS:
                self._numbers[status] = known
        return known


class AccountTable(NamedTuple):
    """The newest state of each ticket, by ascending id. ``version`` and ``updated`` are Unix seconds."""

    ids: Ints
    version: Ints
    updated: Ints
    status: Ints
    presence: Ints


class AccountStates:
    """Rows of the export, as they come: 27 bytes each."""

    def __init__(self) -> None:
        self._ids, self._version, self._updated = array("q"), array("q"), array("q")
        self._status, self._presence = array("H"), array("B")

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ticket_id: int, version: int, updated: int, status: int, presence: Presence) -> None:
        """Add a state; of several of one ticket the one of the highest version counts, then the last."""
        self._ids.append(ticket_id)
        self._version.append(version)
        self._updated.append(updated)
        self._status.append(status)
        self._presence.append(presence)

    def newest(self) -> AccountTable:
        """Return what is known of each ticket now."""
        ids, version = _copy(self._ids), _copy(self._version)
        order = np.lexsort((version, ids))  # stable: equal versions stay in the order they came
        order = order[_last_of_each(ids[order])]
        rest = (self._updated, self._status, self._presence)
        return AccountTable(ids[order], version[order], *(_copy(each)[order] for each in rest))


class IndexTable(NamedTuple):
    """What the index holds of each ticket, by ascending id.

    ``whole`` says that chunks are numbered from 0 on in each visibility and lie under their own ids;
    ``content`` is a sum over places and content hashes; times are Unix seconds.
    """

    ids: Ints
    public: Ints
    internal: Ints
    whole: Flags
    content: Ints
    first_updated: Ints
    last_updated: Ints
    first_status: Ints
    last_status: Ints


class IndexStates:
    """Objects of the index, as they come: 31 bytes each."""

    def __init__(self) -> None:
        self._ids, self._updated, self._content = array("q"), array("q"), array("Q")
        self._place, self._status, self._own = array("I"), array("H"), array("B")

    def __len__(self) -> int:
        return len(self._ids)

    def add(
        self,
        ticket_id: int,
        visibility: Visibility,
        chunk_index: int,
        content_hash: str,
        *,
        updated: int,
        status: int,
        own_id: bool,
    ) -> None:
        """Add an object; ``own_id`` says whether it lies under the id of its place."""
        place = place_of(visibility, chunk_index)
        self._ids.append(ticket_id)
        self._updated.append(updated)
        self._content.append(content_of(place, content_hash))
        self._place.append(place)
        self._status.append(status)
        self._own.append(own_id)

    def tickets(self) -> IndexTable:
        """Return what is known of each ticket."""
        ids, place = _copy(self._ids), _copy(self._place)
        # Public places are even, internal ones odd.
        order = np.lexsort((place >> 1, place & 1, ids))
        ids, place = ids[order], place[order]
        starts = np.flatnonzero(_first_of_each(ids))
        group_starts = np.flatnonzero(_first_of_each(ids) | _first_of_each(place & 1))
        sizes = np.diff(np.append(group_starts, ids.size))
        numbered = (place >> 1) == np.arange(ids.size) - np.repeat(group_starts, sizes)
        updated, status = _copy(self._updated)[order], _copy(self._status)[order]
        content = _copy(self._content)[order]
        if not ids.size:
            return IndexTable(ids, ids, ids, ids.astype(bool), content, *(ids for _ in range(4)))
        internal = np.add.reduceat((place & 1).astype(np.int64), starts)
        total = np.diff(np.append(starts, ids.size))
        return IndexTable(
            ids[starts],
            total - internal,
            internal,
            np.logical_and.reduceat(numbered & (_copy(self._own)[order] == 1), starts),
            np.add.reduceat(content, starts),
            np.minimum.reduceat(updated, starts),
            np.maximum.reduceat(updated, starts),
            np.minimum.reduceat(status, starts),
            np.maximum.reduceat(status, starts),
        )


class LedgerTable(NamedTuple):
    """What the pipeline has written of each ticket, by ascending id; ``here`` to the collection looked at."""

    ids: Ints
    version: Ints
    public: Ints
    internal: Ints
    content: Ints
    removed: Flags
    here: Flags


class LedgerStates:
    """Entries of the pipeline's table ``indexed``, as they come: 34 bytes each."""

    def __init__(self) -> None:
        self._ids, self._version, self._content = array("q"), array("q"), array("Q")
        self._public, self._internal = array("I"), array("I")
        self._flags = array("B")

    def add(
        self,
        ticket_id: int,
        version: int,
        public: list[str],
        internal: list[str],
        *,
        many: ManyChunks | None = None,
        removed: bool = False,
        here: bool = True,
        gone: bool = False,
    ) -> None:
        """Add an entry with the content hashes of its chunks, or what is known of ``many``; the last counts.

        ``gone`` is an entry that was taken out of the table.
        """
        content = 0 if many is None else int(many.content, 16)
        for index, content_hash in enumerate(public):
            content = added(content, "public", index, content_hash)
        for index, content_hash in enumerate(internal):
            content = added(content, "internal", index, content_hash)
        self._ids.append(ticket_id)
        self._version.append(version)
        self._content.append(content)
        self._public.append(len(public) if many is None else many.public)
        self._internal.append(len(internal) if many is None else many.internal)
        self._flags.append(removed | here << 1 | gone << 2)

    def newest(self) -> LedgerTable:
        """Return what is known of each ticket now."""
        ids, flags = _copy(self._ids), _copy(self._flags)
        order = np.argsort(ids, kind="stable")
        order = order[_last_of_each(ids[order])]
        order = order[flags[order] & 4 == 0]
        content = _copy(self._content)[order]
        version, public, internal = (
            _copy(each)[order] for each in (self._version, self._public, self._internal)
        )
        flags = flags[order]
        return LedgerTable(ids[order], version, public, internal, content, flags & 1 == 1, flags & 2 == 2)


def _copy(values: array[Any]) -> Ints:
    # A view would keep the array from growing any more.
    return np.array(values)


def _first_of_each(values: Ints) -> Flags:
    first = np.ones(values.size, dtype=bool)
    first[1:] = values[1:] != values[:-1]
    return first


def _last_of_each(values: Ints) -> Flags:
    last = np.ones(values.size, dtype=bool)
    last[:-1] = values[1:] != values[:-1]
    return last
