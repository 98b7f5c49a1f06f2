"""Kafka's metadata: an update that fails in a way nobody foresaw is not the last one."""

from __future__ import annotations

import asyncio

import pytest

from streams.kafka.client import _REST_SECONDS, keep_metadata


class Client:
    def __init__(self, outcome: BaseException | bool) -> None:
        self.outcome = outcome

    async def _metadata_update(self, cluster: str, topics: list[str]) -> bool:
        assert (cluster, topics) == ("cluster", ["topic"])
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "updated"),
    [
        (True, True),
        (False, False),
        (AttributeError("the connection is gone"), False),
        (asyncio.CancelledError(), False),
    ],
)
async def test_whatever_happens_there_is_an_answer_and_a_rest_before_the_next_try(
    outcome: BaseException | bool, updated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr("streams.kafka.client.asyncio.sleep", rest)
    client = Client(outcome)
    keep_metadata(client)
    assert await client._metadata_update("cluster", ["topic"]) is updated
    assert rests == ([] if updated else [_REST_SECONDS])


async def test_a_client_that_is_closed_ends_all_the_same() -> None:
    waiting = asyncio.Event()

    class Stuck(Client):
        async def _metadata_update(self, cluster: str, topics: list[str]) -> bool:
            waiting.set()
            await asyncio.Event().wait()
            return True

    client = Stuck(True)
    keep_metadata(client)
    task = asyncio.create_task(client._metadata_update("cluster", ["topic"]))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
