"""An account with odd data: only a row without an id is lost, and nothing internal becomes public."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from comparison import arrived, assert_equal, stored_chunks
from conftest import OpenDesk

from schemas.ids import Visibility
from streams.weaviate.reading import StoredChunk

TICKETS = 40
QUIET = {"tickets": [], "after_cursor": None, "end_of_stream": True}


async def test_odd_rows_are_imported_and_an_empty_export_stops_nothing(open_desk: OpenDesk) -> None:
    desk = open_desk(TICKETS)
    standing = [each for each in desk.zendesk.truth() if not each["removed"]]
    nameless = standing[0]["ticket"]["requester_id"]
    odd = [each["id"] for each in standing if each["ticket"]["requester_id"] != nameless][:9]
    lost, digits, fraction, texts, nulls, dates, times, commented, paged = odd
    comments = {each["id"]: each["comments"] for each in standing}
    quiet_word, spoken = "unsaid-visibility", "the transcribed words"
    desk.zendesk.set_odd(
        rows={
            "tickets": {
                lost: {"id": None},
                digits: {"id": str(digits), "tags": [None, 5]},
                fraction: {"id": float(fraction), "requester_id": 2**64, "is_public": "true"},
                texts: {"subject": "half \ud800 and nul \0 of a subject", "priority": 7},
                nulls: dict.fromkeys(("tags", "status", "subject", "description", "is_public", "group_id")),
                dates: {"created_at": "2024-05-01", "updated_at": "2024-05-02 02:00:00 +0200"},
                times: {"created_at": "9999-12-31T23:59:59Z", "updated_at": None},
            },
            "users": {nameless: {"name": None, "role": None, "email": 5}},
            "comments": {
                comments[commented][0]["id"]: {
                    "public": None,
                    "author_id": -1,
                    "plain_body": quiet_word,
                    "attachments": [{"id": None, "file_name": "a.txt", "content_type": None}, None],
                    "data": {"transcription_text": spoken},
                }
            },
        },
        answers={f"tickets/{paged}/comments": {"meta": None, "users": None}, "cursor": {"users": "none"}},
        missing=[f"comments/{each['id']}/public" for each in comments[paged]],
    )
    desk.worker()
    record = await desk.whole_import()
    assert (record.status, record.failed, record.unreadable, record.errors) == ("completed", 1, 1, [])
    (letter,) = {each.id: each for each in await desk.dead_letters()}.values()
    assert "id is missing" in letter.message
    asked_by = {each["id"] for each in standing if nameless in map(int, each["people"])}
    await assert_equal(desk, without=[*odd, *asked_by])

    held: dict[int, list[StoredChunk]] = defaultdict(list)
    for chunk in await stored_chunks(desk):
        held[chunk.ticket_id].append(chunk)
    assert held.keys() == {each["id"] for each in standing} - {lost}
    assert held[standing[0]["id"]][0].facts.requester == ""
    assert held[digits][0].facts.tags == ["5"]
    assert held[texts][0].facts.subject == "half \ufffd and nul  of a subject"
    assert (held[nulls][0].facts.subject, held[nulls][0].facts.status) == ("", "")
    facts = held[dates][0].facts
    assert (facts.created_at, facts.updated_at) == ("2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z")
    assert held[times][0].facts.created_at == "" and held[times][0].facts.updated_at
    assert visible(held[commented], quiet_word) == visible(held[commented], spoken) == {"internal"}
    assert {chunk.visibility for chunk in held[paged]} == {"internal"}

    # A new or quiet account: neither an import nor the live reading minds, and both go on later.
    desk.zendesk.set_odd(answers={"incremental/tickets/cursor": QUIET})
    record = await desk.whole_import()
    assert (record.status, record.fetched, record.errors) == ("completed", 0, [])
    desk.zendesk.set_odd()
    newest = next(each["id"] for each in standing if each["ticket"]["status"] != "closed")
    await asyncio.to_thread(desk.zendesk.add_comment, newest, "After the quiet")
    await arrived(desk, newest)


def visible(chunks: list[StoredChunk], words: str) -> set[Visibility]:
    """Return where the words can be read."""
    return {chunk.visibility for chunk in chunks if words in chunk.text}
