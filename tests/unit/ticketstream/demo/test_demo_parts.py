"""The demo's pure parts: figures, words, the changes it waits for, settings of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.errors import UserError
from schemas.messages.imports import ImportRecord, ImportSpec, StageCounts
from streams.search.hybrid import Hit
from ticketstream.demo import changes
from ticketstream.demo.changes import SENTENCE, Arrival, changeable, follow_changes, is_found, says
from ticketstream.demo.figures import (
    EmbeddingUse,
    Figures,
    Use,
    embedding_use,
    import_figures,
    zendesk_use,
)
from ticketstream.demo.isolated import isolated_settings
from ticketstream.demo.plan import FASTER_EXPORT, FASTER_QUOTAS, given_settings, import_seconds, stack_options
from ticketstream.demo.summary import quota_words, summary_rows
from ticketstream.demo.workers import first_error
from ticketstream.local.sample.gemini.messages import Stats
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.stack.sample import SamplePlan


def hit(ticket_id: int, text: str) -> Hit:
    return Hit(
        ticket_id=ticket_id,
        score=1.0,
        visibility="public",
        chunk_index=0,
        subject="",
        status="open",
        priority="",
        tags=[],
        requester="",
        text=text,
        created_at="",
        updated_at="",
    )


def known(number: int, *, status: str = "open", removed: bool = False, comments: int = 2) -> dict[str, Any]:
    row = {"status": status, "subject": "A subject"}
    return {"id": number, "removed": removed, "ticket": row, "comments": [{}] * comments}


class DemoBench:
    """A Zendesk and its index, which shows a change after so many searches."""

    def __init__(self, lag: int, *, deaf: bool = False) -> None:
        self.lag = lag
        self.deaf = deaf
        self.searches = 0
        self.calls: list[str] = []
        self.shown: list[str] = []

    def add_comment(self, ticket_id: int, body: str) -> int:
        self.calls.append(f"comment {ticket_id} {body}")
        return 1

    def set_status(self, ticket_id: int, status: str) -> None:
        self.calls.append(f"status {ticket_id} {status}")

    def delete(self, ticket_id: int) -> None:
        self.calls.append(f"delete {ticket_id}")

    async def find(self, status: str | None) -> Sequence[Hit]:
        if len(self.calls) > len(self.shown):
            self.searches += 1
            if self.searches > self.lag and not self.deaf:
                self.searches = 0
                self.shown = self.calls[:]
        done = [call.split()[0] for call in self.shown]
        if "delete" in done or (status == "solved" and "status" not in done):
            return []
        return [hit(7, f"Subject Ann: {SENTENCE}" if "comment" in done else "Subject")]


async def follow(bench: DemoBench) -> list[Arrival]:
    told: list[Arrival] = []
    arrivals = await follow_changes(cast(SampleZendeskControl, bench), 7, bench.find, told.append)
    assert told == arrivals
    return arrivals


async def test_each_change_is_made_once_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_PAUSE_SECONDS", 0)
    bench = DemoBench(lag=3)
    arrivals = await follow(bench)
    assert [each.change for each in arrivals] == ["comment added", "status solved", "ticket deleted"]
    assert bench.calls == [f"comment 7 {SENTENCE}", "status 7 solved", "delete 7"]
    assert bench.shown == bench.calls


async def test_a_change_that_never_arrives_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(changes, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(UserError, match=r"comment added, but after .* ticket 7 is not found by its new"):
        await follow(DemoBench(lag=0, deaf=True))


async def test_a_search_that_shows_a_change_too_early_proves_nothing() -> None:
    bench = DemoBench(lag=0)
    bench.shown = bench.calls = ["comment 7"]
    with pytest.raises(UserError, match="before the change"):
        await follow(bench)


def test_the_ticket_to_change_is_open_and_there() -> None:
    account = [known(1, status="closed"), known(2, removed=True), known(3, comments=120), known(4), known(5)]
    assert changeable(account) == 4
    with pytest.raises(UserError, match="--tickets"):
        changeable(account[:3])


def test_found_by_the_sentence_is_more_than_found() -> None:
    broken = SENTENCE.replace(" ", "\n", 3)
    assert says([hit(1, "x"), hit(2, f"Ann: {broken} And more.")], 2)
    assert not says([hit(2, "x"), hit(1, SENTENCE)], 2)
    assert is_found([hit(2, "x")], 2)
    assert not is_found([hit(1, SENTENCE)], 2)


def test_a_share_of_the_quota_is_of_the_time_it_took() -> None:
    use = Use(used=1_000, quota_per_minute=2_000, seconds=45.0)
    assert use.share == pytest.approx(1_000 / 1_500)
    assert quota_words(use, "calls") == "1,000 calls of 2,000 a minute (67 % of the quota of 45 s)"


def test_the_samples_own_counts_are_told() -> None:
    stats = {
        "buckets": {"general": 210, "incremental": 12},
        "rate_limited": {"general": 3, "incremental": 1},
        "limits": {
            "window_seconds": 30.0,
            "general": {"limit": 100},
            "incremental": {"limit": 10},
        },
    }
    use = zendesk_use(stats, 60.0)
    assert (use.calls.used, use.calls.quota_per_minute) == (210, 200)
    assert (use.export.used, use.export.quota_per_minute) == (12, 20)
    assert use.refused == 4
    embedded = embedding_use(Stats(calls=9, answered=7, texts=500, tokens=99, rate_limited=2), 60.0, 30, 100)
    assert (embedded.calls.used, embedded.texts, embedded.refused) == (7, 500, 2)
    assert embedded.tokens.share == pytest.approx(0.99)


def record() -> ImportRecord:
    counts = StageCounts(sent=90, skipped=10, calls=95, vectors=300)
    return ImportRecord(
        id="i",
        account="acme",
        status="completed",
        spec=ImportSpec(),
        started_at=100.0,
        updated_at=104.0,
        fetched=100,
        source_ended=True,
        stages={"enrich/0": counts, "index/0": StageCounts(sent=90, vectors=300)},
    )


def figures(**changed: Any) -> Figures:
    first = import_figures(record())
    use = Use(used=10, quota_per_minute=100, seconds=6.0)
    values: dict[str, Any] = {
        "account_tickets": 100,
        "searchable_tickets": 88,
        "chunks": 300,
        "first_import": first,
        "second_import": first,
        "zendesk": zendesk_use(
            {
                "buckets": {"general": 95},
                "rate_limited": {},
                "limits": {"window_seconds": 60, "general": {"limit": 100}, "incremental": {"limit": 10}},
            },
            60.0,
        ),
        "embedding": EmbeddingUse(calls=use, tokens=use, texts=300, refused=2),
        "arrivals": [Arrival(change="comment added", ticket_id=7, shown_as="found", seconds=1.25)],
        "dead_letters": 0,
        "worker_restarts": 0,
    }
    return Figures(**values | changed)


def test_an_imports_figures() -> None:
    first = import_figures(record())
    assert (first.tickets, first.seconds, first.tickets_per_second) == (100, 4.0, 25.0)
    assert (first.duplicates_skipped, first.vectors_uploaded) == (10, 300)


def test_the_summary_tells_all_that_was_promised() -> None:
    rows = dict(summary_rows(figures()))
    words = "\n".join(f"{name} {text}" for name, text in summary_rows(figures()))
    assert rows["tickets"] == "100 in 4.0 s: 25.0 tickets/s"
    assert "88 tickets as 300 chunks" in rows["searchable"]
    assert "the other 12" in rows["searchable"]
    assert rows["Zendesk"] == "95 calls of 100 a minute (95 % of the quota of 60 s); none refused"
    assert "30.0 a call" in words
    assert "2 refused" in rows["Gemini"]
    assert rows["duplicates"] == "20 skipped"
    assert rows["dead letters"] == "0"
    assert "comment added 1.2 s" in rows["live changes"]
    assert "workers" not in rows
    assert "2 ended" in dict(summary_rows(figures(worker_restarts=2)))["workers"]


def test_nothing_of_the_user_s_settings_reaches_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKETSTREAM_ZENDESK__SUBDOMAIN", "real-company")
    monkeypatch.setenv("TICKETSTREAM_KAFKA__BOOTSTRAP_SERVERS", "kafka.real:9092")
    Path(".env").write_text("TICKETSTREAM_ZENDESK__EMAIL=a@real.example\n")
    file = tmp_path / "stack.env"
    file.write_text("TICKETSTREAM_WEAVIATE__HTTP_URL='http://127.0.0.1:1'\n")
    given, found = given_settings(), isolated_settings(file)
    for settings in (given, found):
        assert settings.zendesk.subdomain is None
        assert settings.zendesk.email is None
        assert settings.kafka.bootstrap_servers is None
    assert given.embedding_provider == "gemini"
    assert found.weaviate_http_url == "http://127.0.0.1:1"


def test_the_samples_limits_let_the_export_be_read_every_second() -> None:
    plan = SamplePlan.of(stack_options(2_000))
    assert plan.poll_seconds == 1.0
    assert f"is {60 / plan.time_scale:.0f} s" in FASTER_QUOTAS
    assert "fresher than 60 s" in FASTER_EXPORT
    assert plan.tickets == 2_000
    assert import_seconds(2_000) > 2_000 / plan.requests_per_minute * 60 * 2


def test_why_a_worker_ended_is_its_first_error(tmp_path: Path) -> None:
    log = tmp_path / "workers.log"
    log.write_text(
        'a warning of a library\n{"event": "partitions assigned", "level": "info"}\n'
        '{"event": "the worker ends", "error": "ValueError(\'no\')", "level": "error"}\n'
        '{"event": "and so on", "level": "error"}\n'
    )
    assert first_error(log) == "the worker ends ValueError('no')"
    log.write_text("error: Kafka cannot be reached\n")
    assert first_error(log) == "Kafka cannot be reached"
    log.write_text("Killed\n")
    assert "Killed" in first_error(log)
