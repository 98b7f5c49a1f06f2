"""Under which ticket a search shows a merged one: the last of its chain of merges that can be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

import msgspec

_LONGEST_CHAIN: Final = 20

Look = Callable[[Collection[int]], Awaitable[Mapping[int, "Shown"]]]
"""Returns those of the tickets that a reader may see."""


class Shown(msgspec.Struct, kw_only=True, frozen=True):
    """What names a ticket to a reader; ``merged_into`` is the ticket it was merged into, 0 for none."""

    ticket_id: int
    subject: str
    status: str
    merged_into: int = 0


class Chains:
    """Follows merges: one look for all chains at each of their links, and none where nothing was merged."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._seen: dict[int, Shown | None] = {}

    async def follow(self, targets: Collection[int]) -> None:
        """Look up these tickets, what they were merged into, and so on."""
        unknown = set(targets) - self._seen.keys()
        for _ in range(_LONGEST_CHAIN):
            if not unknown:
                return
            found = await self._look(unknown)
            self._seen.update({ticket_id: found.get(ticket_id) for ticket_id in unknown})
            unknown = {one.merged_into for one in found.values() if one.merged_into} - self._seen.keys()

    def end_of(self, ticket_id: int, merged_into: int) -> Shown | None:
        """Return the ticket under which a merged one is shown, as far as was looked.

        None means that it stands by itself: its target is not there, or merges go round in a circle, which
        Zendesk does not let them.
        """
        been = {ticket_id}
        last: Shown | None = None
        while merged_into:
            if merged_into in been:
                return None
            following = self._seen.get(merged_into)
            if following is None:
                break
            been.add(merged_into)
            last, merged_into = following, following.merged_into
        return last
