"""Local stores: what cannot be opened is made anew; what breaks later ends the worker in one clear line."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from agents.app import stores
from agents.testing import an_app

PLACE = TP("changelog", 3)


def store(folder: Path) -> Any:
    """Return the store of one table in a folder, as an app that has not started makes it."""
    app = an_app(folder)
    app.conf.tabledir = folder
    return app.Table("seen", key_type=bytes, value_type=bytes, partitions=8).data


def filled(folder: Path) -> Path:
    """Fill a database, close it and return its folder."""
    first = store(folder)
    database = first._db_for_partition(3)
    for number in range(200):
        database.put(f"key {number}".encode(), b"x" * 100)
    database.flush()
    first.set_persisted_offset(PLACE, 41)
    database.close()
    path: Path = first.partition_path(3)
    return path


def test_a_whole_database_is_opened_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path)
    again = store(tmp_path)
    assert again.persisted_offset(PLACE) == 41
    assert again._db_for_partition(3).get(b"key 7") == b"x" * 100


@pytest.mark.parametrize("kind", ["MANIFEST", "CURRENT"])
def test_a_damaged_database_is_made_anew(tmp_path: Path, kind: str) -> None:
    path = filled(tmp_path)
    chance = random.Random(1)
    for file in path.glob(f"{kind}*"):
        file.write_bytes(chance.randbytes(file.stat().st_size))
    again = store(tmp_path)
    # Without an offset Faust reads the changelog from its beginning.
    assert again.persisted_offset(PLACE) is None
    assert again._db_for_partition(3).get(b"key 7") is None
    again._db_for_partition(3).put(b"key 7", b"new")


def test_a_database_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    holder = store(tmp_path)
    holder._db_for_partition(3).put(b"key", b"value")
    with pytest.raises(Exception, match="lock"):
        store(tmp_path)._db_for_partition(3)
    assert holder._db_for_partition(3).get(b"key") == b"value"


def entry(offset: int, key: bytes, value: bytes | None) -> Any:
    return SimpleNamespace(offset=offset, key=key, value=value, tp=PLACE, partition=3)


def test_what_was_read_of_a_changelog_is_written_in_its_order(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.follow(
        PLACE, [entry(4, b"a", b"1"), entry(5, b"b", b"1"), entry(7, b"a", b"2"), entry(9, b"b", None)]
    )
    database = made._db_for_partition(3)
    assert (database.get(b"a"), database.get(b"b")) == (b"2", None)
    assert made.persisted_offset(PLACE) == 9


def test_what_comes_late_undoes_nothing(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.write(PLACE, [(b"a", b"new")], 12)
    made.follow(PLACE, [entry(10, b"a", b"old"), entry(11, b"a", None)])
    made.apply_changelog_batch([SimpleNamespace(message=entry(11, b"a", b"old"))])
    assert made._db_for_partition(3).get(b"a") == b"new"
    assert made.persisted_offset(PLACE) == 12
    made.apply_changelog_batch([SimpleNamespace(message=entry(13, b"a", b"newer"))])
    assert made._db_for_partition(3).get(b"a") == b"newer"
    assert made.persisted_offset(PLACE) == 13


def ends_with(folder: Path, message: str) -> subprocess.CompletedProcess[str]:
    """Give up over an error in a process of its own."""
    program = "import sys; from pathlib import Path; from agents.app.stores import give_up; "
    program += "give_up(Path(sys.argv[1]), Exception(sys.argv[2])); print('goes on')"
    return subprocess.run(
        [sys.executable, "-c", program, str(folder), message],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[4],
    )


def test_damage_ends_the_worker_and_deletes_what_is_damaged(tmp_path: Path) -> None:
    path = filled(tmp_path)
    ended = ends_with(tmp_path, "Corruption: block checksum mismatch")
    assert ended.returncode == stores.TRY_AGAIN
    assert not path.exists()
    assert "the local tables are damaged" in ended.stdout + ended.stderr


def test_a_full_disk_ends_the_worker_and_deletes_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path)
    ended = ends_with(tmp_path, "IO error: No space left on device: While appending to file: x.log")
    assert ended.returncode == stores.TRY_AGAIN
    assert path.exists()
    assert "no room for the local tables" in ended.stdout + ended.stderr


def test_too_many_open_files_are_no_damage(tmp_path: Path) -> None:
    path = filled(tmp_path)
    ended = ends_with(tmp_path, "IO error: While opendir: /tables/seen-549.db: Too many open files")
    assert ended.returncode == stores.TRY_AGAIN
    assert path.exists()
    assert "raise the limit" in ended.stdout + ended.stderr


def test_other_errors_end_nothing(tmp_path: Path) -> None:
    ended = ends_with(tmp_path, "the key is no bytes")
    assert (ended.returncode, ended.stdout) == (0, "goes on\n")
