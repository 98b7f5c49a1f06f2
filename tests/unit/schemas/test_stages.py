"""The list of the stages: one chain, and the only one there is."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from schemas.messages.imports import ImportRecord, ImportSpec, StageCounts
from schemas.stages import BETWEEN, READ_TOPICS, STAGE_NAMES, STAGES, TICKET_TOPICS, Service, Stage, StageName
from schemas.topics import BACKFILL, CHANGES, COMPACTED, EMBEDDED, ENRICHED, INDEXED, PIPELINE

ROOT = Path(__file__).parents[3]


def test_the_stages_are_a_chain_from_the_source_to_the_receipts() -> None:
    assert STAGES[0].reads == (CHANGES, BACKFILL)
    assert STAGES[-1].writes == INDEXED
    for one, following in pairwise(STAGES):
        assert following.reads == (one.writes,)


def test_the_topics_between_are_those_that_are_compacted() -> None:
    assert BETWEEN == (ENRICHED, EMBEDDED)
    assert frozenset(BETWEEN) == COMPACTED


def test_the_way_of_a_ticket_is_in_order_and_on_topics_of_the_pipeline() -> None:
    assert READ_TOPICS == (CHANGES, BACKFILL, ENRICHED, EMBEDDED)
    assert TICKET_TOPICS == (CHANGES, BACKFILL, ENRICHED, EMBEDDED, INDEXED)
    assert set(TICKET_TOPICS) <= set(PIPELINE)


def test_the_types_name_the_same_stages_and_services() -> None:
    assert get_args(StageName) == STAGE_NAMES
    assert get_args(Service) == tuple(stage.service for stage in STAGES)


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_NAMES)
def test_an_import_counts_what_is_through_with_a_stage(stage: Stage) -> None:
    record = ImportRecord(
        id="i", account="a", status="running", spec=ImportSpec(), started_at=0, updated_at=0
    )
    record.stages = {f"{stage.name}/0": StageCounts(sent=3), f"{stage.name}/1": StageCounts(sent=4)}
    assert getattr(record, stage.done) == 7


@pytest.mark.parametrize("package", ["schemas", "streams", "agents", "ticketstream", "grafana"])
def test_nobody_else_lists_the_stages(package: str) -> None:
    listing = re.compile(r"[\(\[]\s*" + r"\s*,\s*".join(f'"{name}"' for name in STAGE_NAMES))
    by_hand = [
        str(path.relative_to(ROOT))
        for path in (ROOT / package).rglob("*.py")
        if listing.search(path.read_text()) and path != ROOT / "schemas/stages.py"
    ]
    assert by_hand == []
