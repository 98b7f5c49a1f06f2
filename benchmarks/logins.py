"""Logins that expire: an import with tokens of a minute, by both grants, and a worker killed amid it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from benchmarks.compare import Compared, compare
from benchmarks.figures import Findings, at_most, plain
from benchmarks.stack import SINGLE, BenchStack
from schemas.errors import StackError
from schemas.messages.imports import ImportRecord
from schemas.settings.load import PREFIX, Settings
from streams.limits import QuotaShare
from streams.logins.build import login_for
from streams.sources.zendesk.check import whoami
from streams.sources.zendesk.client import ZendeskClient
from ticketstream.local.sample.zendesk import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET
from ticketstream.local.stack.options import StackOptions
from ticketstream.operations.imports.attempt import Attempt, start_import
from ticketstream.operations.imports.known import load_imports

_GRANTS: Final = ("client_credentials", "refresh_token")
_TOKEN_SECONDS: Final = 60
_CALLS_A_MINUTE: Final = 2_500
"""As with the High Volume add-on: 5,000 tickets then take two minutes, and so several tokens."""
_LONGEST_WAIT: Final = 2.0
_PAUSE_SECONDS: Final = 0.25
_POLL_IMPORT_SECONDS: Final = 0.2

Note = Callable[[str], None]


class Renewals(msgspec.Struct, kw_only=True):
    """What the sample Zendesk and a process that calls it all the time saw of a login."""

    seconds: float
    first_call: float
    longest_call: float
    calls: int
    oauth: dict[str, Any]
    compared: Compared
    failed: int


def run(*, tickets: int, workers: int, note: Note) -> list[Findings]:
    """Import the account with each grant; one worker is killed when half of it is done."""
    return [_with(grant, tickets, workers, note) for grant in _GRANTS]


def _with(grant: str, tickets: int, workers: int, note: Note) -> Findings:
    options = StackOptions(
        sample=True,
        tickets=tickets,
        sample_requests_per_minute=2 * _CALLS_A_MINUTE,
        sample_incremental_requests_per_minute=30,
    )
    overrides = SINGLE | {
        "ZENDESK__REQUESTS_PER_MINUTE": str(_CALLS_A_MINUTE),
        "ZENDESK__OAUTH_CLIENT_ID": DEFAULT_CLIENT_ID,
        "ZENDESK__OAUTH_CLIENT_SECRET": DEFAULT_CLIENT_SECRET,
    }
    with BenchStack(options, workers=workers, overrides=overrides) as stack:
        with stack.zendesk() as zendesk:
            zendesk.set_oauth(access_seconds=_TOKEN_SECONDS)
            if grant == "refresh_token":
                first = zendesk.issue_tokens()["refresh_token"]
                stack.environment[f"{PREFIX}ZENDESK__OAUTH_REFRESH_TOKEN"] = first
        stack.start_workers()
        note(f"{grant}: import of {tickets:,} tickets with tokens of {_TOKEN_SECONDS} s")
        found = asyncio.run(_measured(stack, tickets, note))
    return Findings(
        scenario=grant,
        figures=[
            plain("tickets", found.compared.tickets),
            plain("the import took", found.seconds, "s"),
            plain("access tokens given", sum(found.oauth["granted"].values())),
            plain("first call of a process, which has to get a login", found.first_call, "s"),
            at_most("longest of its calls from then on", found.longest_call, _LONGEST_WAIT, "s"),
            at_most("uses of a dead refresh token", found.oauth["dead_refresh_uses"], 0),
            at_most("chunks lost", found.compared.lost, 0),
            at_most("objects doubled", found.compared.doubled, 0),
            at_most("chunks with another text", found.compared.wrong, 0),
            at_most("objects of no ticket", found.compared.orphaned, 0),
            at_most("dead letters", found.failed, 0),
        ],
        measured=found,
    )


async def _measured(stack: BenchStack, tickets: int, note: Note) -> Renewals:
    settings = stack.settings
    waits: list[float] = []
    calling = asyncio.create_task(_call(settings, waits))
    killing = asyncio.create_task(_kill_halfway(stack, tickets, note))
    try:
        known = await start_import(settings, Attempt(), since=0, file=None, wait=True)
        await killing
    finally:
        for task in (calling, killing):
            task.cancel()
        await asyncio.gather(calling, killing, return_exceptions=True)
    record = known.record
    if record.status != "completed":
        raise StackError(f"the import is {record.status}: {'; '.join(record.errors)}")
    with stack.zendesk() as zendesk:
        oauth = zendesk.oauth()
    return Renewals(
        seconds=round(record.updated_at - record.started_at, 1),
        first_call=round(waits[0], 2),
        longest_call=round(max(waits[1:]), 2),
        calls=len(waits),
        oauth=oauth,
        compared=await compare(stack),
        failed=record.failed,
    )


async def _call(settings: Settings, waits: list[float]) -> None:
    """Ask Zendesk something small again and again, and note how long each answer took."""
    unlimited = QuotaShare.whole(1e9)
    login = login_for(settings)
    async with ZendeskClient(settings.zendesk_url, login, general=unlimited, incremental=unlimited) as client:
        while True:
            began = time.monotonic()
            await whoami(client)
            waits.append(time.monotonic() - began)
            await asyncio.sleep(_PAUSE_SECONDS)


async def _kill_halfway(stack: BenchStack, tickets: int, note: Note) -> None:
    """Kill a worker when half of the import is done; its pool starts another one."""
    while (record := await _newest(stack.settings)) is None or record.done < tickets // 2:
        await asyncio.sleep(_POLL_IMPORT_SECONDS)
    os.kill(stack.worker_processes()["worker 1"].pid, signal.SIGKILL)
    note(f"a worker is killed after {record.done:,} tickets")


async def _newest(settings: Settings) -> ImportRecord | None:
    known = await load_imports(settings.cluster)
    return known[0].record if known else None
