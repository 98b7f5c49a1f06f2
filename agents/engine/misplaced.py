"""Messages that lie in another partition than their key's, because partitions were added.

A ticket's state is in its key's partition and nowhere else, so a message cannot be worked on in another one:
it is sent on to its key's partition, undecoded. Such messages are those that were not worked off before
partitions were added, and those of senders that do not know of the new partitions yet (a server that takes
webhooks, a command that feeds a file).
"""

from __future__ import annotations

from agents.engine.outcomes import Handler, Outcome
from streams.kafka.messages import Incoming, Record
from streams.kafka.partitions import partition_of


def sending_misplaced_home(handler: Handler, partitions: int) -> Handler:
    """Return a handler that sends misplaced messages on to their key's partition, and handles all others.

    No import counts a misplaced message here: it is counted where it is worked on.
    """

    async def handle(message: Incoming) -> Outcome:
        record = home_record(message, partitions)
        if record is None:
            return await handler(message)
        return Outcome("skipped", reason="moved", records=[record])

    return handle


def home_record(message: Incoming, partitions: int) -> Record | None:
    """Return a copy of the message for its key's own partition; None when it lies there already."""
    if message.key is None:
        return None
    home = partition_of(message.key, partitions)
    if home == message.partition:
        return None
    return Record(message.topic, home, message.key, message.value, message.headers)
