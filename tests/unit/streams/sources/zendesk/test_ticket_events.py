"""Pages of ticket events: what is believed of them, and where the next one starts."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from streams.sources.zendesk.ticket_events import EventsPage, events_page
from tests.zendesk_fixtures import client_of

COMMENT = {
    "id": 11,
    "event_type": "Comment",
    "type": "Comment",
    "author_id": 7,
    "body": "It burns.",
    "html_body": "<p>It burns.</p>",
    "plain_body": "It burns.",
    "public": False,
    "attachments": [{"id": 1, "file_name": "fire.jpg"}],
    "comment_present": True,
    "comment_public": False,
}


def event(ticket_id: Any = 1, *children: Any) -> dict[str, Any]:
    return {
        "id": 5,
        "ticket_id": ticket_id,
        "timestamp": 1_700_000_000,
        "created_at": "2023-11-14T22:13:20Z",
        "event_type": "Audit",
        "child_events": list(children),
    }


async def read(*events: Any, start: int = 0, **page: Any) -> tuple[EventsPage, str]:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        body = {"ticket_events": list(events), "end_of_stream": True, "end_time": 1_700_000_000} | page
        return httpx.Response(200, content=json.dumps(body))

    async with client_of(answer) as client:
        return await events_page(client, start), asked[0]


async def test_a_comment_is_taken_as_it_is() -> None:
    page, url = await read(event(1, COMMENT), event(2, COMMENT | {"id": 12, "public": True}))
    assert url.endswith("/api/v2/incremental/ticket_events.json?start_time=0&include=comment_events")
    (comment,) = page.told[1].comments
    assert (comment.id, comment.public, comment.author_id, comment.plain_body) == (11, False, 7, "It burns.")
    assert comment.created_at == "2023-11-14T22:13:20Z"
    assert [one.file_name for one in comment.attachments] == ["fire.jpg"]
    assert page.told[2].comments[0].public
    assert not page.told[1].doubtful
    assert (page.events, page.calls, page.ended, page.to_a_comment, page.doubtful) == (2, 1, True, 1, 0)


async def test_its_own_time_wins_over_that_of_the_update() -> None:
    page, _ = await read(event(1, COMMENT | {"created_at": "2020-01-01T00:00:00Z"}))
    assert page.told[1].comments[0].created_at == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "child",
    [
        {"event_type": "Change", "status": "open", "previous_value": "new"},
        {"event_type": "Create", "priority": "high"},
        {"event_type": "Notification", "body": "{{ticket.id}}", "recipients": [7]},
        {"event_type": "SomethingNewAltogether", "id": 4},
    ],
)
async def test_what_says_nothing_of_comments_is_passed_over(child: dict[str, Any]) -> None:
    page, _ = await read(event(1, child))
    assert (page.told, page.events) == ({}, 1)


@pytest.mark.parametrize(
    "child",
    [
        {"event_type": "CommentRedactionEvent", "comment_id": 11},
        {"event_type": "AttachmentRedactionEvent", "attachment_id": 1},
        {"event_type": "CommentPrivacyChange", "comment_id": 11, "public": False},
        {"type": "CommentPrivacyChange", "comment_id": 11, "public": False},
        {"event_type": "VoiceComment", "id": 4, "public": True, "body": "Call to +1 …"},
        {"event_type": "FacebookComment", "id": 4, "public": True, "body": "x"},
        {"event_type": "Tweet", "id": 4, "body": "x"},
        {"event_type": "ChatEndedEvent", "id": 4},
        {"event_type": "SomethingNewAltogether", "comment_id": 11},
        {"id": 4},
        "not an object",
        COMMENT | {"public": None},
        COMMENT | {"id": "eleven"},
        {"id": 11, "event_type": "Comment", "public": True, "comment_present": True},
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_what_can_change_a_comment_or_cannot_be_read_is_doubtful(child: Any, first: bool) -> None:
    children = (child, COMMENT) if first else (COMMENT, child)
    page, _ = await read(event(1, *children), event(2, COMMENT))
    assert page.told[1].doubtful
    assert not page.told[2].doubtful
    assert page.doubtful == 0.5


async def test_events_that_name_no_ticket_are_counted() -> None:
    page, _ = await read(event("x", COMMENT), [1], event(1, COMMENT))
    assert (page.unreadable, list(page.told)) == (2, [1])


async def test_the_next_page_starts_where_this_one_ends() -> None:
    page, _ = await read(event(1), start=1_600_000_000, end_of_stream=False)
    assert (page.next_start, page.ended) == (1_700_000_000, False)
    page, _ = await read(start=1_600_000_000, end_time=None)
    assert page.next_start == 1_600_000_000


@pytest.mark.parametrize("end", [1_600_000_000, 1_500_000_000, None])
async def test_a_page_without_progress_is_stepped_over(end: int | None) -> None:
    page, _ = await read(event(1), start=1_600_000_000, end_of_stream=False, end_time=end)
    assert page.next_start == 1_600_000_001


async def test_a_start_within_the_last_minute_is_moved_back() -> None:
    _, url = await read(start=int(time.time()))
    start = int(url.partition("start_time=")[2].partition("&")[0])
    assert time.time() - 70 < start <= time.time() - 60
