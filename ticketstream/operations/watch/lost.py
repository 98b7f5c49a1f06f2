"""Live changes that lie in the dead letters: as long as they do, what they changed is not searchable."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from schemas.ids import ticket_key
from schemas.topics import BACKFILL, IMPORT_COMMANDS, IMPORT_PROGRESS
from ticketstream.operations.dead_letters.book import KnownLetter, original

_OF_IMPORTS: Final = (IMPORT_COMMANDS, IMPORT_PROGRESS)


class _Receipt(msgspec.Struct):
    version: int
    indexed_at: float


_RECEIPT: Final = msgspec.json.Decoder(_Receipt)


class _Lost(NamedTuple):
    ticket: bytes
    version: int
    failed_at: float


class LostChanges:
    """The open letters of an account's live changes, but for those that a newer state has made up for.

    ``take_letters`` is told all letters whenever they have changed, ``take_receipt`` every receipt from then
    on. Receipts from before nobody has told: ``unread`` says since when they are to be read, and
    ``read_through`` that they were.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._lost: dict[str, _Lost] = {}
        self._tickets: frozenset[bytes] = frozenset()
        self._made_up: set[str] = set()
        self._read: set[str] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._lost.keys() - self._made_up)

    def take_letters(self, letters: Iterable[KnownLetter]) -> None:
        """Take in all letters as they stand."""
        self._lost = {
            known.letter.id: _Lost(ticket, known.version, known.letter.failed_at)
            for known in letters
            if known.state == "open" and (ticket := self._live_ticket(known)) is not None
        }
        self._tickets = frozenset(lost.ticket for lost in self._lost.values() if lost.ticket)
        self._made_up &= self._lost.keys()
        self._read &= self._lost.keys()

    def _live_ticket(self, known: KnownLetter) -> bytes | None:
        """Return the key of a live change's ticket, ``b""`` where none can be told; None for all others."""
        letter = known.letter
        if letter.import_id or letter.topic in _OF_IMPORTS or letter.stage == "imports":
            return None
        if letter.topic == BACKFILL and known.retry is None:  # an import's that cannot be read
            return None
        account, colon, _ = (original(letter.key) or known.key or b"").rpartition(b":")
        if colon and account.split(b":")[0] != self._account.encode():
            return None
        return ticket_key(self._account, known.ticket_id) if known.ticket_id else b""

    def take_receipt(self, raw: Any) -> None:
        """Take in a receipt."""
        if raw.key not in self._tickets:
            return
        try:
            receipt = _RECEIPT.decode(raw.value or b"")
        except msgspec.MsgspecError:
            return
        for letter_id, lost in self._lost.items():
            # Not lower than the lost one, and later: whatever it told has been read from Zendesk anew.
            later = receipt.indexed_at > lost.failed_at and receipt.version >= lost.version
            if lost.ticket == raw.key and later:
                self._made_up.add(letter_id)

    def unread(self) -> tuple[float, Collection[str]] | None:
        """Return since when receipts are to be read (Unix seconds), and for which letters; None: for none."""
        letters = self._lost.keys() - self._made_up - self._read
        if not letters:
            return None
        return min(self._lost[letter_id].failed_at for letter_id in letters), letters

    def read_through(self, letters: Collection[str]) -> None:
        """Note that all receipts for these letters have been taken in."""
        self._read |= set(letters) & self._lost.keys()
