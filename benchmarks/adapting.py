"""How workers fit themselves to a quota: from several starts, at several quotas, with slow answers, and told
too much.

One import of a large account runs all the while; for each case the workers are started anew, and what the
sample service answers and refuses is counted from its first call on. Minutes are compressed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from benchmarks.figures import Findings, at_least, at_most, plain
from benchmarks.stack import SINGLE, BenchStack
from benchmarks.starting import VARIABLE
from schemas.errors import StackError
from schemas.settings.load import PREFIX
from ticketstream.local.sample.gemini.control import SampleGeminiControl
from ticketstream.local.sample.gemini.messages import Limits
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.stack.options import StackOptions
from ticketstream.operations.imports.attempt import Attempt, start_import

_GOAL: Final = 0.95
_REFUSED: Final = 0.01
_LOOK_SECONDS: Final = 0.2
_FIRST_CALL_SECONDS: Final = 60.0
_PLENTY: Final = 1_000_000

Note = Callable[[str], None]


class Case(msgspec.Struct, kw_only=True, frozen=True):
    """``quota``: what the service allows in ``60 / scale`` seconds; ``told``: what the settings say of it.

    ``start`` is the size the workers begin with; ``slow`` the seconds that each answer takes longer.
    """

    quota: int
    scale: float
    start: int
    told: int = 0
    slow: float = 0.0
    seconds: float = 30.0
    unit: str = ""

    @property
    def name(self) -> str:
        """The case in words."""
        unit = f" by {self.unit}" if self.unit else ""
        told = f", told {self.told:,}" if self.told else ""
        slow = f", answers {self.slow:g} s later" if self.slow else ""
        return f"{self.quota:,} a minute{unit}, from {self.start}{told}{slow}"

    @property
    def setting(self) -> str:
        """What the settings say of a real minute."""
        return str(round((self.told or self.quota) * self.scale))


class Reached(msgspec.Struct, kw_only=True):
    """``share`` of the quota, and ``refused`` of all calls, from the first call on.

    The ``late_`` ones are those of the second half. ``units`` lists what was answered by each look.
    """

    case: Case
    share: float
    refused: float
    late_share: float
    late_refused: float
    calls: int
    units: list[int] = []


ZENDESK: Final = (
    Case(quota=200, scale=10, start=1),
    Case(quota=400, scale=10, start=400),
    Case(quota=700, scale=6, start=4),
    Case(quota=700, scale=2, start=50, slow=1.0, seconds=60),
    Case(quota=2_500, scale=2, start=1, slow=1.0, seconds=60),
    Case(quota=400, scale=6, start=50, told=700),
)
GEMINI: Final = (
    Case(quota=3_000, scale=2, start=1, unit="text"),
    Case(quota=3_000, scale=2, start=50, unit="text", slow=1.0),
    Case(quota=60, scale=2, start=4, unit="call", slow=2.0),
    Case(quota=2_000, scale=4, start=4, unit="text", told=4_000, seconds=120),
)


def run(*, tickets: int, workers: int, note: Note) -> Findings:
    """Run all cases; the account must be large enough to last."""
    found = zendesk(ZENDESK, tickets=tickets, workers=workers, note=note)
    embedding = gemini(GEMINI, tickets=tickets, workers=workers, note=note)
    figures = []
    for name, reached in [("Zendesk", one) for one in found] + [("Gemini", one) for one in embedding]:
        figures += [
            # The first half is the way there: up from the start, or down to what the account allows.
            at_least(f"{name}, {reached.case.name}: share reached", reached.late_share, _GOAL),
            at_most("  of the calls refused", reached.late_refused, _REFUSED),
            plain("  share from the first call on", reached.share),
            plain("  calls", reached.calls),
        ]
    return Findings(scenario="adapting", figures=figures, measured={"zendesk": found, "gemini": embedding})


def zendesk(cases: Sequence[Case], *, tickets: int, workers: int, note: Note) -> list[Reached]:
    """Return what an import reaches of Zendesk's limit in each case."""
    options = StackOptions(
        sample=True, tickets=tickets, sample_incremental_requests_per_minute=_PLENTY, sample_time_scale=1.0
    )
    found = []
    with BenchStack(options, workers=workers, overrides={"ZENDESK__POLL_SECONDS": "60"} | SINGLE) as stack:
        for number, case in enumerate(cases):
            note(f"Zendesk: {case.name}")
            with stack.zendesk() as control:
                control.clear_faults()
                control.set_limits(requests_per_minute=case.quota, time_scale=case.scale)
                if case.slow:
                    control.set_faults(Fault(kind="slow", slow_seconds=case.slow))
                _begin(stack, {"ZENDESK__REQUESTS_PER_MINUTE": case.setting}, case, first=not number)
                found.append(_watched(case, lambda control=control: _zendesk_counts(control)))
            stack.stop_workers()
    return found


def gemini(cases: Sequence[Case], *, tickets: int, workers: int, note: Note) -> list[Reached]:
    """Return what an import reaches of Gemini's quota in each case."""
    options = StackOptions(sample=True, tickets=tickets, sample_no_limits=True)
    own = {"EMBEDDING__PROVIDER": "gemini", "ZENDESK__POLL_SECONDS": "60"} | SINGLE
    found = []
    with BenchStack(options, workers=workers, overrides=own) as stack:
        for number, case in enumerate(cases):
            note(f"Gemini: {case.name}")
            asyncio.run(_set_gemini(stack, case))
            settings = {
                "EMBEDDING__REQUESTS_PER_MINUTE": case.setting,
                "EMBEDDING__TOKENS_PER_MINUTE": str(_PLENTY * 1000),
                "EMBEDDING__QUOTA_UNIT": case.unit,
            }
            _begin(stack, settings, case, first=not number)
            found.append(_watched(case, lambda case=case: asyncio.run(_gemini_counts(stack, case))))
            stack.stop_workers()
    return found


def _begin(stack: BenchStack, settings: dict[str, str], case: Case, *, first: bool) -> None:
    """Start the workers, and with the first ones the import."""
    stack.environment |= {PREFIX + name: value for name, value in settings.items()}
    stack.environment[VARIABLE] = str(case.start)
    stack.start_workers("benchmarks.starting")
    if first:
        asyncio.run(start_import(stack.settings, Attempt(), since=0, file=None, wait=False))


def _watched(case: Case, counts: Callable[[], tuple[int, int, int]]) -> Reached:
    """Count from the first call on; raises StackError when none comes."""
    before = counts()
    deadline = time.monotonic() + _FIRST_CALL_SECONDS
    while (now := counts())[0] == before[0]:
        if time.monotonic() > deadline:
            raise StackError(f"no call came: {case.name}")
        time.sleep(_LOOK_SECONDS / 4)
    began = time.monotonic()
    looks: list[tuple[float, int, int, int]] = [(0.0, *before)]
    while time.monotonic() - began < case.seconds:
        time.sleep(_LOOK_SECONDS)
        now = counts()
        looks.append((time.monotonic() - began, *now))
    half = next(look for look in looks if look[0] >= case.seconds / 2)
    _, share, refused = _part(case, looks[0], looks[-1])
    _, late_share, late_refused = _part(case, half, looks[-1])
    return Reached(
        case=case,
        share=share,
        refused=refused,
        late_share=late_share,
        late_refused=late_refused,
        calls=looks[-1][2] - looks[0][2],
        units=[after[1] - before[1] for before, after in pairwise(looks)],
    )


def _part(
    case: Case, begin: tuple[float, int, int, int], end: tuple[float, int, int, int]
) -> tuple[float, float, float]:
    """Return seconds, share of the quota, and share of the calls refused between two looks."""
    seconds = end[0] - begin[0]
    calls = end[2] - begin[2]
    return (
        seconds,
        (end[1] - begin[1]) / (case.quota * case.scale / 60 * seconds),
        (end[3] - begin[3]) / calls if calls else 0.0,
    )


def _zendesk_counts(control: SampleZendeskControl) -> tuple[int, int, int]:
    """Return answered units, calls and refused calls."""
    stats = control.stats()
    return stats["buckets"].get("general", 0), stats["calls"], sum(stats["rate_limited"].values())


async def _set_gemini(stack: BenchStack, case: Case) -> None:
    async with SampleGeminiControl(stack.environment[f"{PREFIX}GEMINI__BASE_URL"]) as control:
        await control.clear_faults()
        unit = "text" if case.unit == "text" else "call"
        await control.set_limits(
            Limits(
                requests_per_minute=case.quota,
                tokens_per_minute=None,
                quota_unit=unit,
                time_scale=case.scale,
            )
        )
        if case.slow:
            await control.add_fault("slow", slow_seconds=case.slow)


async def _gemini_counts(stack: BenchStack, case: Case) -> tuple[int, int, int]:
    async with SampleGeminiControl(stack.environment[f"{PREFIX}GEMINI__BASE_URL"]) as control:
        stats = await control.stats()
    return (
        stats.texts if case.unit == "text" else stats.answered,
        stats.calls,
        stats.rate_limited,
    )
