"""Reading the account for a comparison, and what is sent to mend a ticket."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from schemas.codec import decode
from schemas.headers.replays import replay_of
from schemas.messages.tickets import TicketChange
from schemas.settings.load import Settings
from schemas.topics import BACKFILL
from streams.kafka.partitions import partition_of
from streams.testing import InMemoryProducer
from tests.zendesk_fixtures import client_of
from ticketstream.operations.reconcile.account import AccountReader
from ticketstream.operations.reconcile.compare import Findings, Kind, Totals
from ticketstream.operations.reconcile.mend import Mender
from ticketstream.operations.reconcile.outcome import Outcome, drift_of, fields
from ticketstream.operations.reconcile.run import incremental_share, require_an_account
from ticketstream.operations.reconcile.states import Presence, Statuses

TIME = "2024-01-02T03:04:05Z"
SECONDS = 1_704_164_645
PARTITIONS = 8


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "created_at": TIME,
        "updated_at": TIME,
        "status": "open",
        "subject": f"About {number}",
        **fields,
    }


def export(*pages: list[Any]) -> Callable[[httpx.Request], httpx.Response]:
    """Return an export of these pages; behind the last it is empty."""

    def answer(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("cursor")
        number = int(base64.b64decode(cursor)) if cursor else 0
        rows = pages[number] if number < len(pages) else []
        following = base64.b64encode(str(min(number + 1, len(pages))).encode()).decode()
        body = {"tickets": rows, "after_cursor": following, "end_of_stream": number + 1 >= len(pages)}
        return httpx.Response(200, json=body)

    return answer


async def test_every_row_of_the_export_is_known_by_its_newest_state() -> None:
    pages = (
        [row(1, generated_timestamp=SECONDS + 9), row(2, generated_timestamp=SECONDS + 9)],
        [
            row(1, generated_timestamp=SECONDS + 20, status="solved"),
            row(3, status="deleted"),
            row(4, status="closed", tags=["closed_by_merge"]),
            {"id": 5, "created_at": TIME, "updated_at": "soon"},
            {"id": 6, "created_at": TIME, "updated_at": "yesterday"},
            {"id": "no number"},
            "no ticket",
        ],
    )
    told: list[int] = []
    statuses = Statuses()
    async with client_of(export(*pages)) as client:
        reader = AccountReader(client, "acme", statuses, since=0)
        table = await reader.read(told.append)
        assert client.calls == 2
        assert (await reader.read()).ids.tolist() == table.ids.tolist()
        assert client.calls == 3  # it goes on where it ended
    assert table.ids.tolist() == [1, 2, 3, 4, 5, 6]
    unreadable = [Presence.UNREADABLE] * 2
    assert table.presence.tolist() == [0, 0, Presence.DELETED, 0, *unreadable]
    assert table.version.tolist()[:3] == [SECONDS + 20, SECONDS + 9, SECONDS]
    assert table.updated.tolist()[:2] == [SECONDS, SECONDS]
    assert table.status.tolist()[:2] == [statuses.number("solved"), statuses.number("open")]
    assert told == [2, 7]


async def test_a_ticket_that_is_asked_for_is_no_longer_unknown() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("show_many.json"):
            asked = [int(one) for one in request.url.params["ids"].split(",")]
            assert len(asked) <= 100
            return httpx.Response(200, json={"tickets": [row(one) for one in asked if one % 2]})
        return export([row(1000)])(request)

    async with client_of(answer) as client:
        reader = AccountReader(client, "acme", Statuses(), since=0)
        await reader.read()
        table = await reader.ask(range(1, 151))
        assert client.calls == 3
        reader.gone(1000, SECONDS)
    assert table.ids.tolist() == [*range(1, 151, 2), 1000]
    assert reader.newest().presence.tolist() == [0] * 75 + [Presence.DELETED]


def findings(*found: tuple[int, Kind, int]) -> Findings:
    ids, kinds, versions = (np.array(column, dtype=np.int64) for column in zip(*found, strict=True))
    return Findings(ids, kinds, versions, versions)


async def test_what_differs_is_sent_as_it_is_now_and_forced() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path.endswith("show_many.json"):
            wanted = [int(one) for one in request.url.params["ids"].split(",")]
            return httpx.Response(200, json={"tickets": [row(one) for one in wanted if one == 1]})
        number = int(request.url.path.split("/")[-1].removesuffix(".json"))
        # An archived ticket could be left out of a list, and still be there.
        return httpx.Response(200, json={"ticket": row(2)}) if number == 2 else httpx.Response(404)

    producer = InMemoryProducer()
    gone: list[tuple[int, int]] = []
    told: list[int] = []
    async with client_of(answer) as client:
        mender = Mender(client, producer, "acme", PARTITIONS, run_id="r1")  # type: ignore[arg-type]
        sent = await mender.send(
            findings(
                (1, Kind.MISSING, SECONDS + 50),
                (2, Kind.STALE, 17),
                (3, Kind.CHUNKS, SECONDS + 5),
                (4, Kind.DELETED, SECONDS + 6),
                (5, Kind.UNKNOWN, 0),
            ),
            seen_at=SECONDS + 99,
            gone=lambda ticket_id, version: gone.append((ticket_id, version)),
            counted=told.append,
        )
    assert sent == 5
    assert told == [5]
    assert gone == [(3, SECONDS + 5)]
    assert asked[0] == "/api/v2/tickets/show_many.json"
    assert sorted(asked[1:]) == ["/api/v2/tickets/2.json", "/api/v2/tickets/3.json"]
    changes = []
    for record in producer.sent:
        change = decode(TicketChange, record.value, record.headers)
        changes.append((change.ticket_id, change.version, change.ticket.status))
        assert (record.topic, replay_of(record.headers)) == (BACKFILL, "r1")
        assert record.key == f"acme:{change.ticket_id}".encode()
        assert record.partition == partition_of(record.key, PARTITIONS)
    assert changes == [
        (1, SECONDS + 50, "open"),
        (2, SECONDS, "open"),
        (3, SECONDS + 5, "deleted"),
        (4, SECONDS + 6, "deleted"),
        (5, SECONDS + 99, "deleted"),
    ]


ME = httpx.Response(200, json={"user": {"id": 1, "role": "admin"}})


async def test_a_ticket_that_is_refused_is_left_out_and_said() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("me.json"):
            return ME
        if request.url.path.endswith("show_many.json") or request.url.path.endswith("/2.json"):
            return httpx.Response(403, json={"error": "Forbidden"})
        number = int(request.url.path.split("/")[-1].removesuffix(".json"))
        return httpx.Response(200, json={"ticket": row(number) | ({"id": None} if number == 3 else {})})

    producer = InMemoryProducer()
    async with client_of(answer) as client:
        mender = Mender(client, producer, "acme", PARTITIONS, run_id="r1")  # type: ignore[arg-type]
        found = findings((1, Kind.STALE, 1), (2, Kind.STALE, 1), (3, Kind.STALE, 1))
        sent = await mender.send(found, seen_at=SECONDS, gone=lambda *_: None, counted=lambda _: None)
    assert sent == 1
    assert [decode(TicketChange, sent.value, sent.headers).ticket_id for sent in producer.sent] == [1]
    assert sorted(mender.refused) == [2, 3]
    assert "answered 403" in mender.refused[2]


async def test_of_a_ticket_that_may_not_be_asked_for_nothing_is_said() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("me.json"):
            return ME
        if request.url.path.endswith("show_many.json"):
            asked = [int(one) for one in request.url.params["ids"].split(",")]
            if 37 in asked:
                return httpx.Response(403, json={"error": "Forbidden"})
            return httpx.Response(200, json={"tickets": [row(one) for one in asked if one % 2]})
        return export([])(request)

    async with client_of(answer) as client:
        reader = AccountReader(client, "acme", Statuses(), since=0)
        table = await reader.ask(range(1, 101))
    assert table.ids.tolist() == list(range(1, 101, 2))
    assert table.presence[table.ids == 37].tolist() == [Presence.UNREADABLE]
    assert not table.presence[table.ids != 37].any()


async def test_removals_need_no_call() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nobody needs to be asked")

    producer = InMemoryProducer()
    async with client_of(answer) as client:
        mender = Mender(client, producer, "acme", PARTITIONS, run_id="r1")  # type: ignore[arg-type]
        found = findings(*((number, Kind.DELETED, SECONDS) for number in range(1, 251)))
        assert await mender.send(found, seen_at=0, gone=lambda *_: None, counted=lambda _: None) == 250
    assert producer.calls == 3


def an_outcome(found: Findings, left: Findings, **more: Any) -> Outcome:
    return Outcome(
        account="acme",
        since=0,
        totals=Totals(account=9, indexed=8, objects=20),
        drift=drift_of(found),
        left=drift_of(left),
        changing=0,
        workers=True,
        **more,
    )


def test_figures_are_plain_values_with_bounded_examples() -> None:
    found = findings(*((number, Kind.MISSING, 1) for number in range(1, 31)), (40, Kind.UNKNOWN, 1))
    outcome = an_outcome(found, found.where(found.ids > 99))
    told = msgspec.json.decode(msgspec.json.encode(fields(outcome)))
    assert told["in_step"] is True
    assert (told["drift"]["tickets"], told["drift"]["missing"], told["drift"]["surplus"]) == (31, 30, 1)
    assert told["drift"]["examples"] == {"missing": list(range(1, 11)), "unknown": [40]}
    assert told["left"]["tickets"] == 0
    assert told["tickets"]["account"] == 9
    assert an_outcome(found, found).in_step is False


@pytest.mark.parametrize(
    ("limit", "poll", "expected"), [(10, 60, 9), (30, 60, 29), (10, 0.3, 5), (1, 60, 0.5)]
)
def test_the_workers_own_look_at_the_export_is_left_to_them(limit: int, poll: float, expected: float) -> None:
    settings = Settings(
        _env_file=None,
        zendesk={"incremental_requests_per_minute": limit, "poll_seconds": poll},
    )
    assert incremental_share(settings) == expected


def test_an_account_without_tickets_empties_no_index() -> None:
    settings = Settings(_env_file=None, zendesk={"subdomain": "acme"})
    with pytest.raises(Exception, match=r"shows no ticket, but 7 are indexed.*ZENDESK__BASE_URL"):
        require_an_account(Totals(account=0, indexed=7), settings)
    require_an_account(Totals(account=1, indexed=7), settings)
    require_an_account(Totals(account=0, indexed=0), settings)
