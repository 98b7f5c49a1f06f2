"""Messages that lie in another partition than their key's, as those do that were sent before a change.

A ticket's state is in its own partition and nowhere else. Whoever has not heard of new partitions yet
(a server that takes webhooks, a command that feeds a file) still sends to the old ones, and what was not
worked off before the change lies there too: it is handed on unread.
"""

from __future__ import annotations

from agents.engine.outcomes import Handler, Outcome
from streams.kafka.messages import Incoming, Record
from streams.kafka.partitions import partition_of


def sending_misplaced_home(handler: Handler, partitions: int) -> Handler:
    """Return a handler that does what this one does, and hands on what lies in another key's partition.

    Nothing is counted for an import: that is done where the message is worked on.
    """

    async def handle(message: Incoming) -> Outcome:
        record = home_record(message, partitions)
        if record is None:
            return await handler(message)
        return Outcome("skipped", reason="moved", records=[record])

    return handle


def home_record(message: Incoming, partitions: int) -> Record | None:
    """Return the message for its key's own partition; None when it lies there."""
    if message.key is None:
        return None
    home = partition_of(message.key, partitions)
    if home == message.partition:
        return None
    return Record(message.topic, home, message.key, message.value, message.headers)
