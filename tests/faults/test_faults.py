"""The fault suite: whatever is killed, restarted or refused, the index ends up as the account is.

``make test-faults`` runs the short form, ``make test-faults-full`` the full one; FAULTS_SEED repeats
the random choices of a run. See scene.Scene for the frame and for the bound on repeated work.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import local_state
import pytest
import refusals
import report
import services
import workers_killed
from comparison import Differences
from desks import AccountDesk
from form import Form
from harness import Desk
from report import Row
from scene import Scenario, opened

from ticketstream.local.stack import kafka
from ticketstream.local.stack.options import StackOptions
from ticketstream.local.stack.ports import choose_ports

MOST_MEMORY_MB = 500
"""Of a worker, resident: some 240 with the local model, and what is held."""
FORM = Form.of_environment()
ALL = [*workers_killed.SCENARIOS, *services.SCENARIOS, *refusals.SCENARIOS, *local_state.SCENARIOS]
SCENARIOS = sorted(
    (scenario for scenario in ALL if (scenario.full if FORM.full else scenario.short)),
    key=lambda scenario: scenario.workers,  # one that is gone keeps its partitions for a session
)


@contextmanager
def _second_listener(real: int, cable: int) -> Iterator[None]:
    """A Kafka that is started inside has another listener, which tells its clients to come by the cable."""
    plain = kafka.server_properties

    def properties(log_dir: Path, ports: Mapping[str, int]) -> str:
        lines = []
        for line in plain(log_dir, ports).splitlines():
            name = line.partition("=")[0]
            more = {
                "listeners": f",CABLE://127.0.0.1:{real}",
                "advertised.listeners": f",CABLE://127.0.0.1:{cable}",
                "listener.security.protocol.map": ",CABLE:PLAINTEXT",
            }
            lines.append(line + more.get(name, ""))
        return "\n".join(lines) + "\n"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kafka, "server_properties", properties)
        yield


class Stage:
    """The stack that the scenarios share, and a new one after a scenario that failed on it."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._desk: Desk | None = None

    def open(self, scenario: Scenario) -> AccountDesk:
        """Return a started desk with an account for this scenario."""
        if self._desk is None:
            options = StackOptions(sample=True, tickets=1, sample_no_limits=True)
            folder = self._folders.mktemp("faults")
            ports = choose_ports(
                ["real", "cable"], configured={}, remembered={}, running=(), data_dir=folder / "cable"
            )
            self.cable_ports = (ports["real"], ports["cable"])
            self._desk = Desk(folder / "data", options, FORM.partitions)
            with _second_listener(*self.cable_ports):
                self._desk.start()
        named = f"f{scenario.number} {scenario.name}".lower()
        account = re.sub(r"[^a-z0-9]+", "-", named)[:44].strip("-")
        desk = AccountDesk(self._desk, account, FORM.tickets, FORM.seed, whole=FORM.full)
        desk.start()
        return desk

    def close(self) -> None:
        """Stop the stack and delete its data."""
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage, and nothing left of it afterwards, also when the tests are asked to end."""
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("asked to end", returncode=143))
    stage = Stage(tmp_path_factory)
    try:
        yield stage
    finally:
        stage.close()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def rows() -> Iterator[list[Row]]:
    """The rows of all scenarios; written at the end (`make faults-table` shows them)."""
    rows: list[Row] = []
    yield rows
    if rows:
        report.write(rows)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.number} {scenario.name}")
async def test_nothing_lost_doubled_or_stale(scenario: Scenario, stage: Stage, rows: list[Row]) -> None:
    print(f"seed {FORM.seed}: repeat with FAULTS_SEED={FORM.seed}")
    desk = await asyncio.to_thread(stage.open, scenario)
    try:
        async with opened(desk, scenario, FORM) as scene:
            scene.cable_ports = stage.cable_ports
            async with scenario.around(scene) if scenario.around else nullcontext():
                await scene.begin()
                await scenario.run(scene)
                row, found = await scene.finish()
        rows.append(row)
        assert found == Differences(), f"{found}\n{row}\n{desk.log()}"
        assert row.dead_letters == scene.poison, f"{row}\n{desk.log()}"
        assert row.within_bounds(), row
        assert row.memory_mb < MOST_MEMORY_MB, row
    except BaseException:
        desk.stop()
        await asyncio.to_thread(stage.close)
        raise
    desk.stop()
