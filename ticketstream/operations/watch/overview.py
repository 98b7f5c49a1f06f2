"""The overview: the state of everything as one document."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from schemas.settings.load import Settings
from schemas.stages import ENRICH, STAGES
from schemas.topics import BACKFILL, CHANGES, INDEXED
from ticketstream.operations.imports.waits import Waits
from ticketstream.operations.watch.flow import together
from ticketstream.operations.watch.follower import Follower
from ticketstream.operations.watch.receipts import STEP_SECONDS
from ticketstream.operations.watch.verdict import Look, StageLook, Verdict, judge


def overview(
    follower: Follower,
    settings: Settings,
    *,
    chunks: int | None,
    away: Mapping[str, str],
    login: Mapping[str, Any] | None = None,
    clock: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Return the document of ``GET /api/v1/overview``.

    ``chunks`` is how many there are in Weaviate, None where it is not known; ``away`` names the services
    that do not answer, and why; ``login`` is what is known of Zendesk's. What is not known is null.
    """
    now = clock()
    known = not follower.away
    waits = follower.waits if known else Waits()
    paused = waits.embedding
    stages = _stages(follower, now)
    freshness = follower.receipts.freshness(now)
    running = follower.imports.running
    if known:
        changes = follower.flows[CHANGES]
        verdict = judge(
            Look(
                stages=[
                    StageLook(
                        stage=stage["stage"],
                        backlog=stage["backlog"],
                        oldest_seconds=stage["oldest_seconds"],
                    )
                    for stage in stages
                ],
                workers=follower.workers or 0,
                objective=follower.objective,
                live_seconds=changes.oldest_seconds(now),
                backfill=follower.flows[BACKFILL].backlog,
                still_seconds=follower.still_seconds(now),
                source_seconds=follower.source_seconds,
                poll_seconds=settings.zendesk.poll_seconds,
                running=len(running),
                waiting=sum(known.waiting for known in running),
                p95=freshness.p95,
                paused=paused,
                trouble=follower.trouble,
                lost=follower.lost.count,
                away=away,
            )
        )
    else:
        verdict = Verdict("unknown", follower.away)
    return {
        "at": now,
        "account": settings.account,
        "state": verdict.state,
        "reason": verdict.reason,
        "held_up_by": verdict.held_up_by,
        "workers": follower.workers if known else None,
        "freshness": {
            "p50": freshness.p50,
            "p95": freshness.p95,
            "objective": follower.objective,
            "changes": freshness.changes,
        },
        "stages": stages,
        "source": {
            "rate": _rounded(together(follower.flows[topic].put_rate for topic in ENRICH.reads))
            if known
            else None
        },
        "sink": {"rate": _rounded(follower.flows[INDEXED].put_rate) if known else None, "chunks": chunks},
        "indexed_through": [msgspec.structs.asdict(entry) for entry in follower.indexed_through.listed()]
        if known and follower.caught_up
        else None,
        "dead_letters": {
            "open": follower.open_letters,
            "live": None if follower.open_letters is None else follower.lost.count,
        },
        "imports": [follower.imports.document(known, waits) for known in running],
        "embedding_paused": paused,
        "login": login,
    }


def history(follower: Follower) -> dict[str, Any]:
    """Return the document of ``GET /api/v1/history``."""
    points = [msgspec.structs.asdict(point) for point in follower.receipts.points]
    return {"step_seconds": STEP_SECONDS, "points": points}


def _stages(follower: Follower, now: float) -> list[dict[str, Any]]:
    found = []
    for stage in STAGES:
        flows = [] if follower.away else [follower.flows[topic] for topic in stage.reads]
        ages = [age for flow in flows if (age := flow.oldest_seconds(now)) is not None]
        found.append(
            {
                "stage": stage.name,
                "topics": list(stage.reads),
                "backlog": sum(flow.backlog for flow in flows) if flows else None,
                "oldest_seconds": _rounded(max(ages, default=None)),
                "rate": _rounded(together(flow.done_rate for flow in flows)) if flows else None,
            }
        )
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
