"""Which tickets differ between account and index, and how. Pure: no I/O."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ticketstream.operations.reconcile.states import (
    AccountTable,
    Flags,
    IndexTable,
    Ints,
    LedgerTable,
    Presence,
)

V = TypeVar("V", bound=np.generic)


class Kind(IntEnum):
    """How a ticket differs."""

    MISSING = 1
    """In the account, but not in the index."""
    STALE = 2
    """Indexed with another time of its last change or another status than the account's."""
    CHUNKS = 3
    """Indexed with chunks missing, left over, or of another text than the pipeline wrote."""
    DELETED = 4
    """Indexed, but deleted in the account, maybe as spam."""
    UNKNOWN = 5
    """Indexed, but not known to the account."""


SURPLUS: Final = (Kind.DELETED, Kind.UNKNOWN)


class Findings(NamedTuple):
    """Tickets that differ, by ascending id.

    ``stamps`` are Unix seconds of the newest change of the ticket that any side knows of, 0 for none;
    ``versions`` the newest version that account or pipeline know, 0 for none.
    """

    ids: Ints
    kinds: Ints
    stamps: Ints
    versions: Ints

    def where(self, chosen: Flags) -> Findings:
        """Return those that are chosen."""
        return Findings(*(each[chosen] for each in self))

    def count(self, *kinds: Kind) -> int:
        """Return how many tickets differ in one of these ways."""
        return int(np.isin(self.kinds, kinds).sum())

    def examples(self, kind: Kind, most: int) -> list[int]:
        """Return the lowest ids that differ in this way."""
        found: list[int] = self.ids[self.kinds == kind][:most].tolist()
        return found


class Totals(NamedTuple):
    """How many tickets there are; ``objects`` are chunks in the index."""

    account: int = 0
    removed: int = 0
    unreadable: int = 0
    indexed: int = 0
    without_text: int = 0
    objects: int = 0


def compare(
    account: AccountTable, index: IndexTable, ledger: LedgerTable, *, only: Ints | None = None, now: float
) -> tuple[Findings, Totals]:
    """Compare all tickets of account and index, or ``only`` these (ascending ids).

    A ticket without any text has no chunks, rightly: the pipeline's table says so for its version.
    ``now`` is Unix seconds; times after it tell nothing about when something changed.
    """
    ids = np.union1d(account.ids, index.ids) if only is None else only
    a, in_account = _join(account.ids, ids)
    i, in_index = _join(index.ids, ids)
    t, in_ledger = _join(ledger.ids, ids)

    presence = _pick(account.presence, a, in_account)
    present = in_account & (presence == Presence.PRESENT)
    version = _pick(account.version, a, in_account)
    written = _pick(ledger.version, t, in_ledger)
    chunks = _pick(ledger.public, t, in_ledger) + _pick(ledger.internal, t, in_ledger)
    removed = _pick(ledger.removed, t, in_ledger)
    without_text = present & ~in_index & in_ledger & ~removed & (chunks == 0) & (written >= version)

    updated, status = _pick(account.updated, a, in_account), _pick(account.status, a, in_account)
    last_updated = _pick(index.last_updated, i, in_index)
    as_account = (
        (_pick(index.first_updated, i, in_index) == updated)
        & (last_updated == updated)
        & (_pick(index.first_status, i, in_index) == status)
        & (_pick(index.last_status, i, in_index) == status)
    )
    as_written = (
        (_pick(index.public, i, in_index) == _pick(ledger.public, t, in_ledger))
        & (_pick(index.internal, i, in_index) == _pick(ledger.internal, t, in_ledger))
        & (_pick(index.content, i, in_index) == _pick(ledger.content, t, in_ledger))
    ) | ~_pick(ledger.here, t, in_ledger)

    kinds = np.zeros(ids.size, dtype=np.int64)
    kinds[present & ~in_index & ~without_text] = Kind.MISSING
    kinds[present & in_index & ~(as_written & _pick(index.whole, i, in_index))] = Kind.CHUNKS
    kinds[present & in_index & ~as_account] = Kind.STALE
    kinds[in_index & in_account & (presence == Presence.DELETED)] = Kind.DELETED
    kinds[in_index & ~in_account] = Kind.UNKNOWN

    stamps = np.zeros(ids.size, dtype=np.int64)
    for each in (version, last_updated, written):
        stamps = np.maximum(stamps, np.where(each > now, 0, each))
    totals = Totals(
        indexed=int(in_index.sum()),
        without_text=int(without_text.sum()),
        objects=int((_pick(index.public, i, in_index) + _pick(index.internal, i, in_index)).sum()),
    )
    found = Findings(ids, kinds, stamps, np.maximum(version, written))
    return found.where(kinds != 0), with_account(totals, account)


def with_account(totals: Totals, account: AccountTable) -> Totals:
    """Return the totals with the account's as it is known now."""
    presence = account.presence
    return totals._replace(
        account=int((presence == Presence.PRESENT).sum()),
        removed=int((presence == Presence.DELETED).sum()),
        unreadable=int((presence == Presence.UNREADABLE).sum()),
    )


def _join(known: Ints, wanted: Ints) -> tuple[Ints, Flags]:
    """Return where each of the wanted ids stands among the known ones, and whether it is there."""
    if not known.size:
        return np.zeros(wanted.size, dtype=np.int64), np.zeros(wanted.size, dtype=bool)
    places = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    return places, known[places] == wanted


def _pick(values: npt.NDArray[V], places: Ints, there: Flags) -> npt.NDArray[V]:
    """Return the values at the places, 0 where there is none."""
    if not values.size:
        return np.zeros(places.size, dtype=values.dtype)
    picked: npt.NDArray[V] = np.where(there, values[places], np.zeros(1, dtype=values.dtype))
    return picked
