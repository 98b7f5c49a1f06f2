"""The verdict: in step or not, what holds it up, what to do."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.messages.workers import Trouble
from ticketstream.operations.watch.verdict import Look, StageLook, judge

DOCTOR = "ticketstream doctor"
LOGIN = Trouble("login", 1_000.0, "answered 401: check TICKETSTREAM_X")
EXPORT = Trouble("export", 1_000.0, "answered 403: must belong to an administrator")
ANSWERS = Trouble("answers", 1_000.0, "answered 302 to GET /comments: check TICKETSTREAM_Y")


def look(
    enrich: tuple[int, float | None] = (0, None),
    embed: tuple[int, float | None] = (0, None),
    index: tuple[int, float | None] = (0, None),
    **fields: Any,
) -> Look:
    stages = [
        StageLook(stage="enrich", backlog=enrich[0], oldest_seconds=enrich[1]),
        StageLook(stage="embed", backlog=embed[0], oldest_seconds=embed[1]),
        StageLook(stage="index", backlog=index[0], oldest_seconds=index[1]),
    ]
    return Look(**{"stages": stages, "workers": 2, "objective": 300.0, "source_seconds": 10.0} | fields)


@pytest.mark.parametrize(
    ("seen", "state", "held_up_by", "told"),
    [
        (look(), "in_step", None, "searchable"),
        (look(source_seconds=None), "in_step", None, "searchable"),
        (look(enrich=(3, 20.0), live_seconds=20.0), "in_step", None, "3 messages"),
        (look(p95=500.0), "in_step", None, "8 min 20 s"),
        (look(workers=0), "stopped", None, "ticketstream worker"),
        (look(workers=0, enrich=(1, 9.0), embed=(7, 1.0)), "stopped", "enrich", "8 messages wait"),
        (look(workers=0, running=1, waiting=1), "stopped", None, "ticketstream worker"),
        (look(index=(5, 40.0), still_seconds=31), "stopped", "index", "index stands still: 5 messages"),
        (
            look(index=(5, 40.0), still_seconds=31, away={"weaviate": "Weaviate does not answer"}),
            "stopped",
            "index",
            "Weaviate does not answer",
        ),
        (
            look(embed=(9, 90.0), still_seconds=400, paused="paused: the cap", running=1),
            "catching_up",
            "embed",
            "cap",
        ),
        (look(enrich=(9, 301.0), live_seconds=301.0), "behind", "enrich", "enrich is 5 min 1 s behind"),
        (look(enrich=(9, 301.0), live_seconds=301.0, running=1), "behind", "enrich", "Zendesk"),
        (look(embed=(1, 400.0), index=(9, 310.0)), "behind", "embed", "embed is 6 min 40 s behind"),
        (look(enrich=(9, 900.0), live_seconds=1.0, index=(1, 310.0)), "behind", "index", "index is 5 min"),
        (look(embed=(1, 4000.0), paused="paused", backfill=5), "catching_up", "embed", "paused"),
        (look(source_seconds=900.0), "behind", None, "export was last read 15 min 0 s ago"),
        (look(source_seconds=900.0, away={"zendesk": "refused"}), "behind", None, "refused"),
        (look(trouble=LOGIN), "stopped", "enrich", "refuses the login since 1970-01-01 00:16:40 UTC"),
        (
            look(trouble=LOGIN, running=1, lost=3),
            "stopped",
            "enrich",
            "TICKETSTREAM_X; nothing is lost",
        ),
        (look(trouble=LOGIN, workers=0), "stopped", None, "ticketstream worker"),
        (look(trouble=EXPORT, running=1), "behind", None, "must belong to an administrator"),
        (look(trouble=ANSWERS), "behind", "enrich", "check TICKETSTREAM_Y; it is tried again"),
        (look(enrich=(5, 40.0), still_seconds=31, trouble=ANSWERS), "stopped", "enrich", "TICKETSTREAM_Y"),
        (look(lost=1), "behind", None, "a live change lies in the dead letters"),
        (look(lost=6, running=1), "behind", None, "6 live changes lie in the dead letters"),
        (look(source_seconds=350.0, poll_seconds=60.0), "in_step", None, "searchable"),
        (look(enrich=(500, 900.0), running=1, backfill=500), "catching_up", "enrich", "an import runs"),
        (look(enrich=(500, 900.0), running=2, backfill=500), "catching_up", "enrich", "2 imports run"),
        (look(enrich=(3, 5.0), embed=(9, 5.0), running=1), "catching_up", "embed", "wait for embed (9)"),
        (look(enrich=(3, None), embed=(9, None), running=1), "catching_up", "embed", "wait for embed (9)"),
        (look(running=1), "catching_up", None, "an import runs"),
        (look(running=1, waiting=1), "catching_up", None, "waits for a worker"),
        (look(enrich=(4, 900.0), backfill=4), "catching_up", "enrich", "4 tickets"),
        (
            look(index=(4, 9.0), running=1, away={"weaviate": "Weaviate is away"}),
            "catching_up",
            "index",
            "wait for index (4): Weaviate is away",
        ),
    ],
)
def test_verdicts(seen: Look, state: str, held_up_by: str | None, told: str) -> None:
    found = judge(seen)
    assert (found.state, found.held_up_by) == (state, held_up_by), found.reason
    assert told in found.reason
    assert "\n" not in found.reason


def test_a_reason_names_what_to_do() -> None:
    for seen in (
        look(enrich=(9, 301.0), live_seconds=301.0),
        look(embed=(1, 400.0)),
        look(index=(1, 400.0)),
        look(index=(5, 40.0), still_seconds=31),
        look(source_seconds=900.0),
    ):
        assert DOCTOR in judge(seen).reason
