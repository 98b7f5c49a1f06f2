"""Under which ticket a merged one is shown."""

from __future__ import annotations

from collections.abc import Collection

from streams.weaviate.merged import Chains, Shown


class Index:
    """Tickets that can be read, by what they were merged into."""

    def __init__(self, **merged: int) -> None:
        self.tickets = {int(name[1:]): target for name, target in merged.items()}
        self.looks: list[list[int]] = []

    async def look(self, ticket_ids: Collection[int]) -> dict[int, Shown]:
        self.looks.append(sorted(ticket_ids))
        return {
            one: Shown(ticket_id=one, subject=f"S{one}", status="open", merged_into=self.tickets[one])
            for one in ticket_ids
            if one in self.tickets
        }

    async def end_of(self, ticket_id: int) -> int | None:
        chains = Chains(self.look)
        target = self.tickets[ticket_id]
        await chains.follow({target} if target else set())
        end = chains.end_of(ticket_id, target)
        return end.ticket_id if end else None


async def test_a_chain_is_followed_to_its_end() -> None:
    index = Index(t1=2, t2=3, t3=0)
    assert [await index.end_of(one) for one in (1, 2, 3)] == [3, 3, None]
    assert index.looks == [[2], [3], [3]]


async def test_several_chains_take_a_look_a_link() -> None:
    index = Index(t1=2, t2=3, t3=0, t5=6, t6=3)
    chains = Chains(index.look)
    await chains.follow({2, 6})
    await chains.follow({2, 6})
    assert index.looks == [[2, 6], [3]]
    assert {chains.end_of(one, index.tickets[one]).ticket_id for one in (1, 2, 5, 6)} == {3}  # type: ignore[union-attr]


async def test_without_its_target_a_ticket_stands_by_itself() -> None:
    assert await Index(t1=2).end_of(1) is None
    assert await Index(t1=2, t2=9).end_of(1) == 2


async def test_merges_in_a_circle_end() -> None:
    index = Index(t1=2, t2=3, t3=1, t4=3, t5=5)
    assert [await index.end_of(one) for one in (1, 2, 3, 4, 5)] == [None] * 5


async def test_a_chain_without_an_end_is_given_up() -> None:
    long = Index(**{f"t{number}": number + 1 for number in range(1, 200)})
    assert await long.end_of(1) == 21
    assert len(long.looks) == 20
