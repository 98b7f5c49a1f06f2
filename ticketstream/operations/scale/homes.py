"""Which keys of a topic have another partition when there are more of them. Pure; no I/O."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from schemas.codec import peek
from schemas.stages import BETWEEN
from schemas.tables import ticket_of
from schemas.topics import RECONCILE_REPORTS, changelog_topic
from streams.kafka.partitions import partition_of

IMPORTS: Final = changelog_topic("imports")
SPENDING: Final = changelog_topic("spending")
RESUME_POINTS: Final = changelog_topic("resume_points")
MOVED: Final = (
    changelog_topic("seen"),
    changelog_topic("indexed"),
    changelog_topic("comments"),
    changelog_topic("parts"),
    changelog_topic("cursors"),
    *BETWEEN,
)
"""Topics that hold the newest state of each key in the key's partition."""
COPIED: Final = (RECONCILE_REPORTS,)
"""Topics whose newest message of a key is looked for in the key's partition, and which are append-only."""
ADAPTED: Final = (IMPORTS, SPENDING, RESUME_POINTS)
"""An import lies in its account's partition, and knows offsets; what was spent is shared out anew; resume
points go with the offsets that the workers go on from."""
IN_PLACE: Final = (changelog_topic("progress"),)
"""Tables that count the messages of a partition, which stay where they are."""


class Change(NamedTuple):
    """A change of the number of partitions, from ``before`` to ``after``."""

    before: int
    after: int

    def target(self, key: bytes | None, partition: int) -> int | None:
        """Return where a key of this partition moves; None when it stays.

        What lies in none of its partitions, put there by somebody else, stays as well: behind the newest
        state of its key it would be the one that counts.
        """
        if key is None:
            return None
        ticket = ticket_of(key)
        if partition_of(ticket, self.before) != partition:
            return None
        home = partition_of(ticket, self.after)
        return None if home == partition else home


class _Owned(msgspec.Struct):
    account: str


def account_of(value: bytes) -> str | None:
    """Return the account of an import's record; None when it cannot be read."""
    owned = peek(value, _Owned)
    return None if owned is None else owned.account
