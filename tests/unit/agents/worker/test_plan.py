"""The plans of a worker: which parts, in which order, and where messages go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from agents.app.faust_app import create_app
from agents.app.part import Plan
from agents.worker.plan import PlanOf, draining, whole
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from tests.shared_fixtures import logs

__all__ = ["logs"]
pytestmark = pytest.mark.usefixtures("logs")
WHOLE = [
    "ProducerPart",
    "ProgressLedger",
    "WeaviatePart",
    "PartStore",
    "Backlog",
    "Sinks",
    "_WriterPart",
    "TakeOvers",
    "Engine",
    "ProviderPart",
    "_BatcherPart",
    "Engine",
    "Quotas",
    "ZendeskPart",
    "Engine",
    "Engine",
    "OwnedPartitions",
    "ImportOwner",
    "LivePart",
    "StateTeller",
    "IdleFlush",
    "WorkerMetrics",
    "TopicsPart",
]
OF_AN_ACCOUNT = {"ZendeskPart", "LivePart", "StateTeller"}


def planned(plan_of: PlanOf, folder: Path, **zendesk: Any) -> Plan:
    """Return a worker's plan; nothing is connected, as nothing is opened."""
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers="kafka:1", partitions=8),
        zendesk=ZendeskSettings(**zendesk),
        data_dir=folder,
    )
    slot: Any = SimpleNamespace(number=0, instance_id="ticketstream-here-0")
    plans: list[Plan] = []

    def plan(app: Any) -> Plan:
        plans.append(plan_of(app, settings, slot, None))
        return plans[0]

    create_app(settings, folder, None, plan)
    return plans[0]


def names(plan: Plan) -> list[str]:
    return [type(part).__name__ for part in plan.parts]


async def test_a_worker_is_built_from_the_ground_up_without_a_connection(tmp_path: Path) -> None:
    plan = planned(whole, tmp_path, subdomain="acme", email="a@b.c", api_token=SecretStr("t"))
    assert names(plan) == WHOLE
    assert {topic for intake in plan.intakes for topic in intake.topics} == {
        "tickets.changes",
        "tickets.backfill",
        "tickets.enriched",
        "tickets.embedded",
        "imports.commands",
        "imports.progress",
    }


async def test_without_an_account_nothing_is_followed_and_files_can_be_imported(tmp_path: Path) -> None:
    assert names(planned(whole, tmp_path)) == [name for name in WHOLE if name not in OF_AN_ACCOUNT]


async def test_a_draining_worker_takes_in_what_lies_behind_enrich_and_nothing_else(tmp_path: Path) -> None:
    plan = planned(draining, tmp_path, subdomain="acme", email="a@b.c", api_token=SecretStr("t"))
    assert [intake.topics for intake in plan.intakes] == [("tickets.enriched",), ("tickets.embedded",)]
    assert not {"ImportOwner", "LivePart", "ZendeskPart"} & set(names(plan))


async def test_a_worker_that_stops_does_not_wait_for_what_a_daily_cap_holds_back(tmp_path: Path) -> None:
    assert planned(whole, tmp_path).patience() == 10
