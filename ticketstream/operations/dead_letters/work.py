"""Chooses dead letters and settles them: what the command line and the HTTP API do alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas.messages.dead_letters import Verdict
from schemas.settings.load import Settings
from streams.kafka.sender import Sender, WaitHook
from streams.kafka.topics import ensure_topics
from streams.retries import RetryPolicy
from ticketstream.operations.dead_letters.book import KnownLetter, load_dead_letters, originals
from ticketstream.operations.dead_letters.choice import Filters, to_settle
from ticketstream.operations.dead_letters.settle import Settled, discard_letters, retry_letters

_ATTEMPTS: Final = 5


class Choice(NamedTuple):
    """The letters that were meant, and those of them for which there is something to do."""

    chosen: list[KnownLetter]
    open: list[KnownLetter]


async def choose(settings: Settings, verdict: Verdict, ids: Sequence[str], filters: Filters) -> Choice:
    """Return the letters meant by ids, or else by filters (none: all).

    Raises NotFoundError for an id that no letter has, and when no letter is meant; UnavailableError.
    """
    chosen = to_settle(await load_dead_letters(settings.cluster), ids, filters)
    # Named by its id, a letter that was discarded may be retried after all.
    reopened = bool(ids) and verdict == "retried"
    open_ = [known for known in chosen if known.state == "open" or (reopened and known.state == "discarded")]
    return Choice(chosen, open_)


async def settle(
    settings: Settings,
    verdict: Verdict,
    letters: Sequence[KnownLetter],
    settled: Settled,
    *,
    waits: WaitHook = lambda _: None,
) -> None:
    """Retry or discard these letters, and note in ``settled`` what is done; raises UnavailableError."""
    await ensure_topics(settings)
    async with Sender(settings, RetryPolicy(attempts=_ATTEMPTS), waits=waits) as sender:
        if verdict == "retried":
            found = originals(settings.cluster, letters)
            await retry_letters(found, sender.send, settled, partitions=settings.kafka.partitions)
        else:
            await discard_letters(letters, sender.send, settled)
