"""A change beside what the table ``seen`` knows of its ticket: is it worked on, and what is noted then."""

from __future__ import annotations

from typing import Literal, NamedTuple

from schemas.codec import encode
from schemas.ids import digest
from schemas.messages.tickets import Origin, TicketChange
from schemas.tables import SeenTicket
from schemas.versions import Standing, standing, standing_of_file
from streams.transforms.whole_ticket import may_be_merged


class KnownChange(NamedTuple):
    """A change that came in at ``origin``.

    ``partial`` says that nobody can be asked for its comments: its description is all there will be. A
    ``replayed`` one is worked on even if the table knows it, unless the table knows a newer one.
    """

    change: TicketChange
    origin: Origin
    fingerprint: str
    replayed: bool
    partial: bool

    @classmethod
    def of(cls, change: TicketChange, origin: Origin, *, replayed: bool, partial: bool) -> KnownChange:
        """Return a change with its fingerprint."""
        return cls(change, origin, _fingerprint(change), replayed, partial)

    def done_before(self, seen: SeenTicket | None) -> tuple[Literal["repeated", "skipped"], str] | None:
        """Return verdict and reason of a change that needs no work, by what is known; else None."""
        where = self._standing(seen)
        # The message that made the entry has come again after a crash: its effect is on the topic.
        if where is not Standing.NEW and seen is not None and seen.origin == self.origin:
            return "repeated", ""
        return ("skipped", where.value) if self._is_unwanted(where) else None

    def is_still_wanted(self, before: SeenTicket | None, now: SeenTicket | None) -> bool:
        """Say whether a change is still to be sent; ``before`` is the entry when work on it began."""
        if self._is_unwanted(self._standing(now)):
            return False
        newer = now is None or self.change.version > now.version
        return newer or not looked_meanwhile(before, now)

    def entry(self) -> SeenTicket:
        """Return what the table will know of the ticket once the change is sent on."""
        return SeenTicket(
            self.change.version,
            self.fingerprint,
            self.origin,
            self.change.changed_at,
            from_file=self.change.source == "file",
            partial=self.partial,
        )

    def _standing(self, known: SeenTicket | None) -> Standing:
        if self.change.source == "file":
            return standing_of_file(self.change.version, self.fingerprint, known, partial=self.partial)
        return standing(self.change.version, self.fingerprint, known)

    def _is_unwanted(self, where: Standing) -> bool:
        if where is Standing.DUPLICATE:
            return not self.replayed
        return where in (Standing.STALE, Standing.POORER)


def looked_meanwhile(before: SeenTicket | None, now: SeenTicket | None) -> bool:
    """Say whether a hint has found something new in Zendesk between two states of the table."""
    if now is None or not now.read:
        return False
    return before is None or (before.version, before.read) != (now.version, now.read)


def _fingerprint(change: TicketChange) -> str:
    """Return the digest of what makes two changes of one version the same.

    Earlier releases took a ticket with the signs of a merge for removed: its digest is another one now, so
    that an import brings it back.
    """
    content: tuple[object, ...] = (change.ticket, change.comments or _digests(change))
    return digest(encode((*content, "stays") if may_be_merged(change.ticket) else content))


def _digests(change: TicketChange) -> list[str] | None:
    """Return what tells the comments of one large ticket from those of another; None for none in parts."""
    return None if change.parts is None else [ref.digest for ref in change.parts.refs]
