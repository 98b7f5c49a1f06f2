"""Whether the knowledge base is in step with the desk, and if not, what holds it up and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from schemas.messages.workers import Trouble
from schemas.stages import EMBED, ENRICH, STAGES, StageName
from ticketstream.operations.imports.steering import NO_WORKER
from ticketstream.operations.imports.summary import duration
from ticketstream.operations.watch.troubles import words_of

State = Literal["in_step", "catching_up", "behind", "stopped", "unknown"]

STILL_SECONDS: Final = 30.0
"""How long nothing may move while there is work before the pipeline counts as stopped."""

_NEEDS: Final[Mapping[str, str]] = {stage.name: stage.service for stage in STAGES}
_USUAL: Final[Mapping[StageName, str]] = {
    "enrich": "Zendesk answers slowly or its quota is used up: see `ticketstream doctor`, the workers' log",
    "embed": "the embedding provider is slow or its quota is used up: see `ticketstream doctor` and the "
    "workers' log",
    "index": "Weaviate writes slowly or refuses: see `ticketstream doctor` and the workers' log",
}


class Verdict(msgspec.Struct, frozen=True):
    """The state, one line for people that says what holds the pipeline up, and the stage that does.

    ``held_up_by`` is None where no stage does: in step, or held up by what no stage can help.
    """

    state: State
    reason: str
    held_up_by: StageName | None = None


class StageLook(msgspec.Struct, frozen=True, kw_only=True):
    """How a stage stands: messages waiting for it, and how long the oldest has waited (seconds)."""

    stage: StageName
    backlog: int
    oldest_seconds: float | None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """All that the verdict is taken from. Times are in seconds.

    ``live_seconds`` is the age of the oldest live change that enrich has not done, None without one;
    ``still_seconds`` how long nothing has moved while there was work. ``source_seconds`` is how long
    ago Zendesk's export was last read, None where that is not known. ``away`` names each service that
    does not answer, and why.
    """

    stages: Sequence[StageLook]
    workers: int
    objective: float
    live_seconds: float | None = None
    backfill: int = 0
    still_seconds: float = 0.0
    source_seconds: float | None = None
    poll_seconds: float = 60.0
    running: int = 0
    waiting: int = 0
    p95: float | None = None
    paused: str | None = None
    trouble: Trouble | None = None
    """What Zendesk refuses the workers."""
    lost: int = 0
    """Live changes that lie in the dead letters, and that nothing has made up for."""
    away: Mapping[str, str] = {}


def judge(look: Look) -> Verdict:
    """Return how the pipeline stands."""
    backlog = sum(stage.backlog for stage in look.stages)
    if not look.workers:
        waits = f"{backlog:,} messages wait, and " if backlog else ""
        return Verdict("stopped", f"{waits}{NO_WORKER}", _slowest(look).stage if backlog else None)
    if look.trouble is not None and look.trouble.kind == "login":
        return Verdict("stopped", words_of(look.trouble), ENRICH.name)
    if backlog and look.still_seconds >= STILL_SECONDS and not look.paused:
        slowest = _slowest(look)
        reason = (
            f"{slowest.stage} stands still: {slowest.backlog:,} messages wait and nothing has moved for "
            f"{duration(look.still_seconds)}; {_cause(slowest.stage, look)}"
        )
        return Verdict("stopped", reason, slowest.stage)
    if look.trouble is not None:
        held_up_by: StageName | None = ENRICH.name if look.trouble.kind == "answers" else None
        return Verdict("behind", words_of(look.trouble), held_up_by)
    if late := _late(look):
        return late
    if look.lost:
        return Verdict("behind", _lost(look.lost))
    if look.running or look.backfill:
        return _catching_up(look)
    return Verdict("in_step", _in_step(look, backlog))


def _lost(lost: int) -> str:
    what = f"{lost:,} live changes lie" if lost > 1 else "a live change lies"
    return (
        f"{what} in the dead letters and cannot be found by searches: see `ticketstream dead-letters list`, "
        "mend what it names, then run `ticketstream dead-letters retry`"
    )


def _late(look: Look) -> Verdict | None:
    """Return the verdict when live changes are older than they may be; None when they are not."""
    if look.source_seconds is not None and look.source_seconds > look.objective + look.poll_seconds:
        return Verdict(
            "behind",
            f"Zendesk's export was last read {duration(look.source_seconds)} ago: "
            f"{look.away.get('zendesk') or 'see the errors in the workers log, and `ticketstream doctor`'}",
        )
    ages: dict[StageName, float] = {}
    for stage in look.stages:
        age = look.live_seconds if stage.stage == ENRICH.name else stage.oldest_seconds
        # Behind a cap backfill waits in embed's topic, and live changes pass it.
        if age is not None and age > look.objective and not (stage.stage == EMBED.name and look.paused):
            ages[stage.stage] = age
    if not ages:
        return None
    name = max(ages, key=lambda each: ages[each])
    return Verdict("behind", f"{name} is {duration(ages[name])} behind; {_cause(name, look)}", name)


def _catching_up(look: Look) -> Verdict:
    if look.paused:
        return Verdict("catching_up", look.paused, EMBED.name)
    if look.waiting and look.waiting == look.running:
        return Verdict("catching_up", "an import waits for a worker to take it up")
    what = f"{look.running} imports run" if look.running > 1 else "an import runs" if look.running else ""
    slowest = _slowest(look)
    held_up_by = slowest.stage if slowest.backlog else None
    if not what:
        told = f"{look.backfill:,} tickets of an import or a retry are worked off; live changes go first"
        return Verdict("catching_up", told, held_up_by)
    waits = f"; most wait for {slowest.stage} ({slowest.backlog:,})" if slowest.backlog else ""
    away = _away(slowest.stage, look)
    told = f"{what}; live changes go first{waits}{f': {away}' if away else ''}"
    return Verdict("catching_up", told, held_up_by)


def _in_step(look: Look, backlog: int) -> str:
    if look.p95 is not None and look.p95 > look.objective:
        return f"in step again; changes of the last 5 minutes took up to {duration(look.p95)} to arrive"
    if backlog:
        return f"{backlog:,} messages are on their way"
    return "every change that has been read is searchable"


def _slowest(look: Look) -> StageLook:
    return max(look.stages, key=lambda stage: (stage.oldest_seconds or 0.0, stage.backlog))


def _cause(stage: StageName, look: Look) -> str:
    if stage == ENRICH.name and look.trouble is not None:
        return words_of(look.trouble)
    return _away(stage, look) or _USUAL[stage]


def _away(stage: StageName, look: Look) -> str | None:
    return look.away.get(_NEEDS[stage])
