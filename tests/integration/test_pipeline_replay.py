"""Replays: Weaviate lost and made again, a new model beside the old, live changes and crashes meanwhile."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest
from comparison import ARRIVES_SECONDS, arrived, assert_equal, compare
from conftest import OpenDesk
from harness import Desk, settings_of, until
from stacks import Stacks

from schemas.ids import collection_name
from schemas.messages.tickets import Receipt
from schemas.settings.load import PREFIX
from streams.search.hybrid import Hit
from streams.search.searcher import find
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate import requests
from streams.weaviate.client import connect
from streams.weaviate.ownership import alias_target

TICKETS = 160


@pytest.fixture(scope="module")
def desk(stacks: Stacks) -> Iterator[Desk]:
    """An imported account with its worker, for the tests that need no other settings; they go on from it."""
    with stacks.desk(TICKETS) as desk:
        desk.worker()
        assert asyncio.run(desk.whole_import()).status == "completed"
        yield desk


def use(desk: Desk, **settings: object) -> None:
    """Give the desk's workers and commands from now on these settings, named without their prefix."""
    desk.environment |= {PREFIX + name: str(value) for name, value in settings.items()}
    desk.settings = settings_of(desk.environment)


async def replay(desk: Desk, *arguments: str) -> dict[str, Any]:
    """Run a replay to its successful end, and return what it reports."""
    ended = await command(desk, "replay", *arguments, "--json")
    assert ended.returncode == 0, f"{ended.stderr}\n{desk.log()[-3000:]}"
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


async def command(desk: Desk, *arguments: str) -> CompletedProcess[str]:
    return await asyncio.to_thread(desk.command, *arguments)


async def lose_weaviate(desk: Desk) -> None:
    """Stop Weaviate, delete all it has stored, and start it again."""
    await asyncio.to_thread(desk.stack.stop_service, "weaviate")
    for each in desk.stack.paths.weaviate.iterdir():
        await asyncio.to_thread(shutil.rmtree, each) if each.is_dir() else each.unlink()
    await asyncio.to_thread(desk.stack.start_service, "weaviate")
    async with await connect(desk.settings) as connection:
        assert await alias_target(connection.client) is None


def embedding_calls(desk: Desk) -> int:
    """Return how many calls the sample Gemini has had."""
    url = desk.environment[f"{PREFIX}GEMINI__BASE_URL"]
    calls: int = httpx.get(f"{url}/_sample/stats").raise_for_status().json()["calls"]
    return calls


def open_tickets(desk: Desk) -> Iterator[dict[str, Any]]:
    """Yield tickets that can be changed and have public and internal comments."""
    for truth in desk.zendesk.truth():
        kinds = {comment["public"] for comment in truth["comments"] if comment["body"].strip()}
        if not truth["removed"] and truth["ticket"]["status"] != "closed" and kinds == {True, False}:
            yield truth


async def receipts_of(desk: Desk, replay_id: str) -> list[Receipt]:
    return [receipt for receipt in await desk.receipts() if receipt.import_id == replay_id]


async def assert_a_replay_of_nothing_is_one_clear_line(desk: Desk) -> None:
    cases = {
        (
            "--from",
            "enriched",
            "--until",
            "2001-01-01",
        ): "nothing to replay: tickets.enriched holds no message",
        ("--from", "changes", "--ticket", "999999999"): "no message of ticket #999999999",
        ("--from", "nowhere"): "'changes', 'enriched', 'embedded'",
        ("--from", "embedded", "--since", "1h", "--until", "2h"): "nothing lies between",
        ("--from", "embedded", "--ticket", "seven"): "--ticket",
    }
    for arguments, words in cases.items():
        ended = await command(desk, "replay", *arguments)
        assert ended.returncode != 0
        errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, ended.stderr
        assert words in errors[0]
        assert "Traceback" not in ended.stderr


async def test_one_ticket_a_time_and_all_changes_are_replayed(desk: Desk) -> None:
    one, other = [truth["id"] for truth, _ in zip(open_tickets(desk), range(2), strict=False)]
    await arrived(desk)
    collection = collection_name(
        desk.settings.embedding_model, desk.settings.embedding_dimensions, CHUNKER_VERSION
    )
    async with await connect(desk.settings) as connection:
        # The ticket's chunks are gone, though the tables say that they are there.
        deletion = requests.delete(collection, desk.account, requests.of_tickets([one]))
        assert (await connection.call("BatchDelete", deletion)).successful > 0
    assert not (await compare(desk, only=[one])).equal
    calls = desk.comment_calls()
    for source in ("embedded", "enriched"):
        found = await replay(desk, "--from", source, "--ticket", str(one))
        assert {receipt.ticket_id for receipt in await receipts_of(desk, found["id"])} == {one}
        assert found["tickets"] == [one]
        assert (await compare(desk, only=[one])).equal
    assert desk.comment_calls() == calls
    await replay(desk, "--from", "changes", "--ticket", str(one), "--ticket", str(other))
    assert desk.comment_calls() == calls + 2

    await asyncio.sleep(1.1)  # times are given in whole seconds
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    desk.zendesk.add_comment(other, "Of that time")
    await arrived(desk, other)
    for source in ("embedded", "enriched", "changes"):
        found = await replay(desk, "--from", source, "--since", moment)
        replayed = {receipt.ticket_id for receipt in await receipts_of(desk, found["id"])}
        assert other in replayed
        # A page of the export repeats a few tickets, so they lie on the topic of changes again.
        assert len(replayed) == 1 or (source == "changes" and len(replayed) < 12), (source, replayed)

    calls = desk.comment_calls()
    found = await replay(desk, "--from", "changes")
    assert found["fetched"] == desk.zendesk.health()["tickets"]
    assert found["skipped"] == found["failed"] == 0
    assert desk.comment_calls() - calls == desk.fewest_comment_calls()
    await assert_equal(desk)
    await assert_a_replay_of_nothing_is_one_clear_line(desk)


async def test_a_replay_goes_on_after_a_kill_and_never_undoes_live_changes(desk: Desk) -> None:
    (worker,) = desk.workers
    calls = desk.comment_calls()
    changed = [truth["id"] for truth, _ in zip(open_tickets(desk), range(30), strict=False)]
    await lose_weaviate(desk)
    started = await replay(desk, "--from", "embedded", "--no-wait")
    for number, ticket_id in enumerate(changed):
        desk.zendesk.add_comment(ticket_id, f"While replaying {number}")
        if number == 10:
            await desk.received(
                lambda all_: sum(each.import_id == started["id"] for each in all_) >= TICKETS / 4
            )
            worker.kill()
            worker = desk.worker()
        if number % 5 == 0:
            desk.zendesk.set_status(ticket_id, "pending")
        if number % 3 == 0:
            desk.zendesk.delete(ticket_id)
    record = await desk.import_state(started["id"])
    assert record.status == "completed"
    assert record.failed == 0
    assert not record.errors
    await arrived(desk, *changed)
    await assert_equal(desk)
    assert await desk.dead_letters() == []
    assert desk.comment_calls() - calls <= 3 * len(changed)  # those of the live changes
    assert len({receipt.ticket_id for receipt in await receipts_of(desk, record.id)}) >= TICKETS


async def test_weaviate_lost_is_made_again_from_embedded(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    use(desk, EMBEDDING__PROVIDER="gemini")
    worker = desk.worker()
    assert (await desk.whole_import()).status == "completed"
    changed = [truth["id"] for truth, _ in zip(open_tickets(desk), range(5), strict=False)]
    for ticket_id in changed:
        desk.zendesk.add_comment(ticket_id, "Before the loss")
    await arrived(desk, *changed)

    # Somebody deletes the collection while the worker runs; an import would skip all that was indexed once.
    async with await connect(desk.settings) as connection:
        await connection.client.collections.delete(str(await alias_target(connection.client)))
    refused = await command(desk, "search", "before the loss")
    assert refused.returncode == 1
    assert "`ticketstream replay --from embedded`" in refused.stderr
    before = (desk.comment_calls(), embedding_calls(desk))  # the question was embedded too
    assert (await desk.whole_import()).skipped == TICKETS
    found = await replay(desk, "--from", "embedded")
    assert found["failed"] == 0
    assert found["indexed"] >= TICKETS
    assert found["api_calls"] == {"zendesk": 0, "embedding": 0}
    await assert_equal(desk)

    # Once more all of Weaviate, for a worker that starts on an empty one.
    assert worker.terminate() == 0
    await lose_weaviate(desk)
    desk.worker()
    found = await replay(desk, "--from", "embedded")
    assert found["failed"] == 0
    await assert_equal(desk)
    assert (desk.comment_calls(), embedding_calls(desk)) == before
    async with await connect(desk.settings) as connection:
        assert await alias_target(connection.client) == collection_name(
            desk.settings.embedding_model, desk.settings.embedding_dimensions, CHUNKER_VERSION
        )
    assert await desk.dead_letters() == []

    # And what changes afterwards arrives as ever.
    desk.zendesk.add_comment(changed[0], "After the loss")
    desk.zendesk.delete(changed[1])
    await arrived(desk, *changed)
    await assert_equal(desk)


async def search(desk: Desk, text: str) -> list[Hit]:
    return list(await find(desk.settings, text, limit=5))


async def test_a_new_model_is_built_beside_the_old_one(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    use(desk, EMBEDDING__PROVIDER="local", EMBEDDING__DIMENSIONS=256)
    worker = desk.worker()
    assert (await desk.whole_import()).status == "completed"
    old, new = (collection_name("wordllama", size, CHUNKER_VERSION) for size in (256, 64))
    redacted, deleted, told, kept = [
        truth["id"] for truth, _ in zip(open_tickets(desk), range(4), strict=False)
    ]
    desk.zendesk.add_comment(redacted, "The secret word is gamboge")
    desk.zendesk.add_comment(deleted, "A matter of viridian")
    desk.zendesk.add_comment(kept, "A question of cerulean")
    await arrived(desk, redacted, deleted, kept)
    assert (await search(desk, "gamboge"))[0].ticket_id == redacted

    assert worker.terminate() == 0
    use(desk, EMBEDDING__DIMENSIONS=64)
    worker = desk.worker()
    calls = desk.comment_calls()
    # What a ticket loses meanwhile is lost to searches of the old collection too.
    desk.zendesk.redact(redacted, desk.zendesk.truth_of(redacted)["comments"][-1]["id"], "gamboge")
    desk.zendesk.delete(deleted)
    desk.zendesk.add_comment(told, "While building: ultramarine")

    async def gone() -> bool:
        texts = [hit.text for word in ("gamboge", "viridian") for hit in await search(desk, word)]
        return not any("gamboge" in text or "viridian" in text for text in texts)

    await until(gone, ARRIVES_SECONDS, "redacted and deleted text out of the old collection")
    assert await target_of(desk) == old
    assert (await search(desk, "cerulean"))[0].ticket_id == kept

    searching = asyncio.create_task(search_until_cancelled(desk, "cerulean", kept))
    started = await replay(desk, "--from", "enriched", "--no-wait")
    await desk.received(lambda all_: sum(each.import_id == started["id"] for each in all_) >= 30)
    worker.kill()
    worker = desk.worker()
    desk.zendesk.add_comment(told, "While replaying: sepia")
    record = await desk.import_state(started["id"])
    assert (record.status, record.errors, record.failed) == ("completed", [], 0)
    assert (record.switched_from, record.switched_to) == (old, new)
    searching.cancel()
    (searched,) = await asyncio.gather(searching, return_exceptions=True)
    assert isinstance(searched, asyncio.CancelledError), searched
    assert await target_of(desk) == new
    await arrived(desk, told)
    await assert_equal(desk)
    assert (await search(desk, "ultramarine"))[0].ticket_id == told
    assert desk.comment_calls() - calls <= 8  # the live changes, some of them again after the kill

    # Back to the first model, whose collection is out of date by now; the other one is given up.
    assert worker.terminate() == 0
    use(desk, EMBEDDING__DIMENSIONS=256)
    desk.worker()
    found = await replay(desk, "--from", "enriched", "--drop-old")
    assert (found["switched_from"], found["switched_to"]) == (new, old)
    await assert_equal(desk)
    assert (await search(desk, "ultramarine"))[0].ticket_id == told
    async with await connect(desk.settings) as connection:
        assert not await connection.client.collections.exists(new)
    assert await desk.dead_letters() == []


async def target_of(desk: Desk) -> str | None:
    async with await connect(desk.settings) as connection:
        return await alias_target(connection.client)


async def search_until_cancelled(desk: Desk, text: str, ticket_id: int) -> None:
    """Search again and again; fails when a search does."""
    while True:
        hits = await search(desk, text)
        assert hits, "nothing found while building"
        assert hits[0].ticket_id == ticket_id
        await asyncio.sleep(0.3)
