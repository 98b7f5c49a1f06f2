"""Faults of a worker's own machine: its folder, its disk, its clock."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from desks import LoggedWorker
from scene import Scenario, Scene, until

_DISK_BYTES = 96 * 1024 * 1024
_FULL = "no room for the local tables|disk of .* is full"
"""What the worker says of it."""
_CLOCK = Path(__file__).with_name("stepped_clock.c")


def _folder(scene: Scene, worker: LoggedWorker) -> Path:
    return scene.desk.data_dir / "workers" / str(worker.slot)


async def spoil_the_tables(scene: Scene) -> None:
    """The worker is killed or stopped, its RocksDB files are deleted or damaged, and it starts again."""
    ways = list(_WAYS)
    scene.chance.shuffle(ways)
    await scene.in_turn(*(partial(_spoil, way=way) for way in ways))


async def _spoil(scene: Scene, way: Callable[[Path, random.Random], None]) -> None:
    (worker,) = scene.workers
    partitions, folder = worker.partitions, _folder(scene, worker)
    if scene.chance.random() < 0.5:
        await asyncio.to_thread(worker.terminate)
    else:
        worker.kill()
        scene.deaths += 1
    await scene.silence(partitions)
    way(folder, scene.chance)
    fresh = scene.start_worker()
    await scene.resumes(fresh.started, partitions)


def _databases(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and ".db" in str(path))
    assert found, f"no RocksDB files below {folder}"
    return found


def _delete(folder: Path, _: random.Random) -> None:
    shutil.rmtree(folder)


def _garble(folder: Path, chance: random.Random) -> None:
    """Every file has some bytes that are not its own, as after a bad sector."""
    for path in _databases(folder):
        content = bytearray(path.read_bytes())
        for _ in range(min(20, len(content))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)


def _truncate(folder: Path, chance: random.Random) -> None:
    """Every other file has lost its end, as after a machine lost its power."""
    for path in _databases(folder):
        if chance.random() < 0.5:
            os.truncate(path, chance.randrange(path.stat().st_size + 1))


def _delete_some(folder: Path, chance: random.Random) -> None:
    """Every other file is gone."""
    for path in _databases(folder):
        if chance.random() < 0.5:
            path.unlink()


_WAYS = (_delete, _garble, _truncate, _delete_some)


@asynccontextmanager
async def small_disk(scene: Scene) -> AsyncIterator[None]:
    """The workers' folder is on a small disk of its own (a tmpfs: this takes root)."""
    folder = scene.desk.data_dir / "workers"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)]
    made = await asyncio.to_thread(subprocess.run, mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"a disk that fills up takes a mount of its own: {made.stderr.strip()}")
    scene.tools.filler = folder / "filler"
    try:
        yield
    finally:
        scene.desk.stop_workers()
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], check=True)


async def fill_the_disk(scene: Scene) -> None:
    """Not a byte is left on the worker's disk for some seconds. A worker that ends is started again."""
    await scene.in_turn(_fill_up)


async def _fill_up(scene: Scene) -> None:
    before = scene.desk.logged(_FULL)
    await asyncio.to_thread(_fill, scene.tools.filler)
    await until(
        lambda: scene.desk.logged(_FULL) > before,
        60,
        f"a line in the log says what is wrong\n{scene.desk.log()}",
    )
    await asyncio.sleep(scene.chance.uniform(1, 4))
    scene.tools.filler.unlink()
    await scene.resumes(time.monotonic(), range(scene.desk.partitions))


async def spoil_and_fill(scene: Scene) -> None:
    """The worker's RocksDB files are deleted or damaged, and another time its disk is full."""
    await scene.in_turn(partial(_spoil, way=scene.chance.choice(_WAYS)), _fill_up)


def _fill(path: Path) -> None:
    block = b"x" * 65536
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(block[:size])
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@asynccontextmanager
async def own_clock(scene: Scene) -> AsyncIterator[None]:
    """The workers' wall clock can be set (see stepped_clock.c): the whole process has it, gRPC too."""
    folder = scene.desk.data_dir
    library = folder / "stepped_clock.so"
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a clock that can be set takes a C compiler (cc), and there is none")
    build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_CLOCK), "-ldl"]
    await asyncio.to_thread(subprocess.run, build, check=True)
    scene.tools.clock = folder / "clock"
    _set_clock(scene, 0)
    scene.desk.variables = {"FAULTS_CLOCK": str(scene.tools.clock), "LD_PRELOAD": str(library)}
    yield


def _set_clock(scene: Scene, seconds: int) -> None:
    """Make the workers' clock wrong by so many seconds. In place: they have the file mapped."""
    with scene.tools.clock.open("r+b" if scene.tools.clock.exists() else "wb") as file:
        file.write(struct.pack("q", seconds))


async def step_the_clock(scene: Scene) -> None:
    """The wall clock of a worker jumps: hours ahead and back, days; now and then it starts with it wrong."""
    steps = [3 * 3600, -7200, 40, 0, -86_400, 40 * 86_400]
    async for number in scene.moments(len(steps) if scene.form.full else 3):
        _set_clock(scene, steps[number])
        since = time.monotonic()
        if number % 2:
            (worker,) = scene.workers
            (fresh,) = await scene.restart(worker)
            since = fresh.started
        # What was sent just before the step is no sign of life after it.
        await scene.resumes(since + 0.5, range(scene.desk.partitions))


SCENARIOS = [
    Scenario("13", "local tables deleted or damaged", spoil_the_tables, short=False),
    Scenario("14", "worker's disk full", fill_the_disk, around=small_disk, short=False),
    Scenario("13, 14", "tables damaged, then the disk full", spoil_and_fill, around=small_disk, full=False),
    Scenario("15", "clock stepped", step_the_clock, around=own_clock),
]
