"""Dashboards, rules and runbook fit together, and to the metrics of the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from grafana.source.__main__ import BOARDS, FOLDER, written
from grafana.source.left_out import LEFT_OUT
from schemas.objectives import FRESHNESS_SECONDS
from streams.metrics import Metrics
from ticketstream.http.api.metrics import WebhookMetrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "prometheus" / "rules"
UNITS = {"none", "short", "s", "ops", "reqps", "percentunit", "bytes", "currencyUSD"}
"""Those of Grafana's units that are used."""
SUFFIXES = ("_bucket", "_count", "_sum")


def dashboards() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}


def panels(board: Any) -> list[Any]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def rules() -> list[Any]:
    return [
        rule
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[Any]:
    return [rule for rule in rules() if "alert" in rule]


def expressions() -> list[str]:
    shown = [
        target["expr"]
        for board in dashboards().values()
        for panel in panels(board)
        for target in panel.get("targets", ())
    ]
    return shown + [rule["expr"] for rule in rules()]


def metrics_of_the_code() -> set[str]:
    """Return the names of all series' metrics, without the suffixes of histograms."""
    served = CollectorRegistry()
    WebhookMetrics(served)
    names = set()
    for registry in (Metrics().registry, served):
        for metric in registry.collect():
            names.add(metric.name + ("_total" if metric.type == "counter" else ""))
    return names


@pytest.mark.parametrize("name", BOARDS)
def test_the_files_are_what_their_source_writes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == written(name), "run `make dashboards`"
    assert {path.stem for path in FOLDER.glob("*.json")} == set(BOARDS)


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_one_that_grafana_takes(name: str) -> None:
    board = dashboards()[name]
    assert board["uid"] == f"ticketstream-{name}"
    assert board["schemaVersion"] >= 36
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) and min(ids) > 0
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    text = json.dumps(board)
    assert len({panel["title"] for panel in panels(board)}) == len(panels(board))
    for variable in board["templating"].get("list", ()):
        assert text.count(f"${variable['name']}") + text.count(f"${{{variable['name']}}}") > 0
    for panel in panels(board):
        if panel["type"] == "text":
            continue
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= {one["name"] for one in board["templating"]["list"]}
        if panel["type"] != "table":
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


def test_account_worker_and_topic_can_be_chosen() -> None:
    chosen = {
        name: {one["name"] for one in board["templating"].get("list", ())}
        for name, board in dashboards().items()
        if name != "runbook"
    }
    assert all("account" in names for names in chosen.values())
    assert {"worker", "topic"} <= chosen["pipeline"] & chosen["workers"]
    assert "worker" in chosen["apis"]


def test_uids_and_links_between_dashboards_lead_somewhere() -> None:
    boards = {board["uid"]: board for board in dashboards().values()}
    assert len(boards) == len(BOARDS)
    found = 0
    for board in boards.values():
        for panel in panels(board):
            for link in panel.get("links", ()):
                uid, _, number = link["url"].removeprefix("/d/").partition("?viewPanel=")
                assert int(number) in {one["id"] for one in panels(boards[uid])}
                found += 1
    assert found > 30


def test_every_alert_has_its_section_and_its_panel() -> None:
    sections = re.findall(r"^## (\S.*)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert [one for one in sections if one.startswith("Ticketstream")] == sorted(
        (rule["alert"] for rule in alerts()), key=sections.index
    )
    boards = {board["uid"]: board for board in dashboards().values()}

    def linked(url: str) -> Any:
        uid, number = re.fullmatch(
            r"\{\{ \$externalLabels\.grafana \}\}/d/(.+)\?viewPanel=(\d+)", url
        ).groups()  # type: ignore[union-attr]
        (panel,) = [one for one in panels(boards[uid]) if one["id"] == int(number)]
        return panel

    for rule in alerts():
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert notes["summary"] and notes["description"]
        assert linked(notes["runbook_url"])["title"] == rule["alert"]
        assert linked(notes["dashboard"])["title"] == notes["panel"]
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    assert config["global"]["external_labels"]["grafana"].startswith("http")


def test_the_runbook_names_only_what_exists() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    settings = (ROOT / "docs" / "settings.md").read_text()
    commands = (ROOT / "docs" / "commands.md").read_text()
    for name in set(re.findall(r"TICKETSTREAM_([A-Z_]+)", text)):
        assert f"`{name}`" in settings, name
    for command in set(re.findall(r"`ticketstream ([a-z-]+)", text)):
        assert re.search(rf"`{command}[ `]", commands), command


def test_every_metric_is_shown_or_left_out_for_a_reason() -> None:
    names = metrics_of_the_code()
    used = {name for text in expressions() for name in re.findall(r"\bticketstream_\w+", text)}
    for suffix in SUFFIXES:
        used |= {name.removesuffix(suffix) for name in used if name.removesuffix(suffix) in names}
    assert names - used == set(LEFT_OUT)
    assert {name for name in used if name not in names} <= {
        name for name in used if name.endswith(SUFFIXES)
    }, "a metric that the code does not have"
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert {name for text in expressions() for name in re.findall(r"\bticketstream:[\w:]+", text)} == recorded


def test_the_rules_objective_is_a_bucket_of_the_histogram() -> None:
    metrics = Metrics()
    metrics.stages.freshness.observe(1)
    wanted = {"le": str(float(FRESHNESS_SECONDS))}
    assert metrics.registry.get_sample_value("ticketstream_freshness_seconds_bucket", wanted) == 1
    assert f'le="{wanted["le"]}"' in (RULES / "recording.yml").read_text()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="apt-get install prometheus")
def test_promtool_takes_the_rules_and_they_fire_when_they_should() -> None:
    tests = sorted((ROOT / "prometheus" / "tests").glob("*.yml"))
    config = str(ROOT / "prometheus" / "prometheus.yml")
    assert "SUCCESS" in _run("promtool", "check", "config", "--syntax-only", config)
    assert "FAILED" not in _run("promtool", "check", "rules", *map(str, RULES.glob("*.yml")))
    assert tests
    assert "SUCCESS" in _run("promtool", "test", "rules", *map(str, tests))
    tried = {
        case["alertname"]
        for path in tests
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", ())
        if case.get("exp_alerts")
    }
    assert tried == {rule["alert"] for rule in alerts()}


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()
