"""Index is told of partitions in which somebody else may have died amid a write."""

from __future__ import annotations

from agents.knowledge.index.sinks import TakeOvers


class Told:
    def __init__(self) -> None:
        self.partitions: list[set[int]] = []

    def taken_over(self, partitions: frozenset[int]) -> None:
        self.partitions.append(set(partitions))


async def told(*gained: set[int], empty: frozenset[str]) -> list[set[int]]:
    index = Told()
    part = TakeOvers(index, empty, "acme")
    for new in gained:
        await part.take(frozenset(), frozenset(new))
    return index.partitions


async def test_of_new_partitions_the_sink_is_told_that_somebody_may_have_begun_there() -> None:
    assert await told({1, 2}, {3}, {1, 3}, empty=frozenset()) == [{1, 2}, {3}, {1, 3}]


async def test_of_an_account_weaviate_knows_nothing_of_nobody_has_begun_anything() -> None:
    assert await told({1, 2}, {3}, empty=frozenset({"acme"})) == [{3}]
