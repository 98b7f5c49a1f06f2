"""Every expression of every panel and rule, evaluated by a real Prometheus on a running pipeline."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from harness import Desk, until
from prometheus_fixture import FOLDER, Prometheus, panel_expressions
from receiver import KEY, Server, serving

from schemas.codec import schema_header
from schemas.messages.tickets import TicketChange
from schemas.settings.load import PREFIX
from schemas.topics import CHANGES
from streams.kafka.messages import Record

SECONDS = 60.0
_COMPARED = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*[\d.e]+\s*$")
_JOINED = re.compile(r"\n(?:and|unless)\b.*\n")


def rule_expressions() -> list[str]:
    """Return what the rules look at: of an alert, what it compares, which is there when nothing is wrong."""
    found: list[str] = []
    for path in sorted((FOLDER / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" not in rule:
                    found.append(rule["expr"])
                    continue
                operands = _JOINED.split(rule["expr"].strip())
                assert all(_COMPARED.search(one) for one in operands), rule["alert"]
                found += [_COMPARED.sub("", one) for one in operands]
    return found


@pytest.fixture
def server(desk: Desk) -> Iterator[Server]:
    with serving(desk) as made:
        yield made


@pytest.fixture
def prometheus(desk: Desk, server: Server, tmp_path: Path) -> Iterator[Prometheus]:
    targets = {
        "ticketstream": [f"127.0.0.1:{desk.environment[f'{PREFIX}METRICS_PORT']}"],
        "ticketstream-serve": [server.url.removeprefix("http://")],
    }
    made = Prometheus(tmp_path / "prometheus", targets, KEY)
    try:
        yield made
    finally:
        made.stop()


async def test_every_expression_returns_series_on_a_running_pipeline(
    desk: Desk, server: Server, prometheus: Prometheus
) -> None:
    async def scraped() -> bool:
        return len(prometheus.query('up{job=~"ticketstream.*"} == 1')) == 2

    try:
        await until(scraped, SECONDS, "both targets up")
    except AssertionError as error:
        raise AssertionError(f"{error}: {prometheus.get('/api/v1/targets')}") from None
    before = prometheus.value("sum(ticketstream_embedding_tokens_total)")

    # Something of everything: a live change, a webhook, an import, a dead letter, a comparison.
    ticket_id = next(
        truth["id"]
        for truth in desk.zendesk.truth()
        if not truth["removed"] and truth["ticket"]["status"] != "closed"
    )
    desk.zendesk.add_comment(ticket_id, "Does a comment of its own show in the metrics?")
    assert server.post({"ticket_id": str(ticket_id)}).status_code == 200
    key = f"{desk.account}:{ticket_id}".encode()
    header = [schema_header(TicketChange)]
    await desk.send(Record(CHANGES, desk.partition(key), key, b"no JSON", header))
    record = await desk.whole_import()
    assert record.status == "completed"
    compared = await asyncio.to_thread(desk.command, "reconcile", "--json")
    assert json.loads(compared.stdout)["in_step"], compared.stderr

    expressions = [*panel_expressions(), *rule_expressions()]
    assert len(expressions) > 120
    missing: list[str] = []

    async def all_there() -> bool:
        missing[:] = [one for one in expressions if not prometheus.query(one)]
        return not missing

    try:
        await until(all_there, SECONDS, "every expression returns series")
    except AssertionError as error:
        raise AssertionError(f"{error}: {missing}") from None

    rules = [rule for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 30
    assert [rule for rule in rules if rule.get("lastError") or rule["health"] == "err"] == []

    # And what they return is so.
    async def told() -> bool:
        return prometheus.value("max(ticketstream_reconcile_timestamp_seconds)") > 0

    await until(told, SECONDS, "the comparison is shown")
    firing = {one["metric"]["alertname"] for one in prometheus.query('ALERTS{alertstate="firing"}')}
    assert "TicketstreamDeadLetters" in firing
    assert not firing & {"TicketstreamWorkersGone", "TicketstreamDrift", "TicketstreamServeDown"}
    assert prometheus.value("sum(ticketstream_embedding_tokens_total)") > before
    assert prometheus.value('sum(ticketstream_imports_ended_total{status="completed"})') >= 1
    assert prometheus.value('sum(ticketstream_stage_skipped_total{reason="duplicate"})') > 0
    assert prometheus.value('sum(ticketstream_table_entries{table="indexed"})') > 100
    assert prometheus.value('max(ticketstream_reconcile_tickets{side="account"})') > 0
    accounts = {one["metric"].get("account") for one in prometheus.query("ticketstream_partitions")}
    assert accounts == {desk.account}

    # What lies behind its acknowledgement is seen in messages and in seconds, and goes away.
    async def idle() -> bool:
        return prometheus.value("sum(ticketstream_lag_messages)") == 0

    await until(idle, SECONDS, "nothing waits")
    assert prometheus.value("max(ticketstream_lag_seconds)") == 0
