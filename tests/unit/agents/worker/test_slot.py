"""Worker slots: one process each, and the same identity for whoever comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.worker.slot import take_slot, taken_slots
from schemas.errors import StackError

_TAKE = """
import sys
from pathlib import Path
from agents.worker.slot import take_slot
slot = take_slot(Path(sys.argv[1]))
print(slot.number, slot.instance_id, flush=True)
sys.stdin.readline()
"""


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _TAKE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_processes_take_different_slots_and_a_killed_one_leaves_its_own_behind(tmp_path: Path) -> None:
    one, two = start(tmp_path), start(tmp_path)
    try:
        slots = {said(one)[0]: one, said(two)[0]: two}
        assert set(slots) == {"0", "1"}
        third = take_slot(tmp_path)
        assert third.number == 2
        third.release()
        first = slots["0"]
        first.kill()  # it releases nothing itself
        first.wait()
        back = take_slot(tmp_path)
        assert back.number == 0
        back.release()
    finally:
        for process in (one, two):
            process.kill()
            process.communicate()


def test_a_released_slot_is_the_next_one_taken_with_the_same_identity(tmp_path: Path) -> None:
    first, second = take_slot(tmp_path), take_slot(tmp_path)
    (first.folder / "state").write_text("kept")
    first.release()
    again = take_slot(tmp_path)
    assert (again.number, again.folder, again.instance_id) == (0, first.folder, first.instance_id)
    assert (again.folder / "state").read_text() == "kept"
    assert again.instance_id != second.instance_id
    again.release()
    second.release()


def test_two_stacks_on_a_machine_have_different_identities(tmp_path: Path) -> None:
    one, two = take_slot(tmp_path / "a"), take_slot(tmp_path / "b")
    assert (one.number, two.number) == (0, 0)
    assert one.instance_id != two.instance_id
    one.release()
    two.release()


def test_an_identity_is_one_kafka_takes(tmp_path: Path) -> None:
    slot = take_slot(tmp_path)
    assert slot.instance_id.replace("-", "").replace(".", "").replace("_", "").isalnum()
    assert len(slot.instance_id) < 249
    slot.release()


def test_too_many_workers_are_told_so(tmp_path: Path) -> None:
    slots = [take_slot(tmp_path, highest=2) for _ in range(2)]
    with pytest.raises(StackError, match=f"2 workers run in {tmp_path} already"):
        take_slot(tmp_path, highest=2)
    for slot in slots:
        slot.release()


def test_a_folder_that_cannot_be_written_is_told_with_its_variable(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StackError, match=r"cannot be written \(Not a directory\): .*TICKETSTREAM_DATA_DIR"):
        take_slot(file)


def test_running_workers_are_counted(tmp_path: Path) -> None:
    assert taken_slots(tmp_path) == 0
    first, second = take_slot(tmp_path), take_slot(tmp_path)
    assert taken_slots(tmp_path) == 2
    first.release()
    assert taken_slots(tmp_path) == 1
    second.release()
    assert taken_slots(tmp_path) == 0
