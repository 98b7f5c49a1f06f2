"""Messages in another partition than their key's are handed on; the stand-ins of moved keys are passed."""

from __future__ import annotations

from pathlib import Path

from agents.app import stores
from agents.engine.misplaced import home_record, sending_misplaced_home
from agents.engine.outcomes import Outcome
from schemas.topics import CHANGES
from streams.kafka.messages import Incoming
from streams.kafka.partitions import partition_of

KEY = b"acme:7"
HOME = partition_of(KEY, 8)


def message(partition: int, key: bytes | None = KEY) -> Incoming:
    return Incoming(CHANGES, partition, 5, key, b"{}", [("schema", b"ticket-change/1"), ("replay", b"r1")])


async def test_a_message_at_home_is_handled() -> None:
    async def handler(message: Incoming) -> Outcome:
        return Outcome("sent", account="acme", import_id="i1")

    handle = sending_misplaced_home(handler, 8)
    assert (await handle(message(HOME))).verdict == "sent"
    assert (await handle(message(3, key=None))).verdict == "sent"  # to become a dead letter where it is


async def test_any_other_goes_on_as_it_is_and_is_not_counted() -> None:
    async def handler(message: Incoming) -> Outcome:
        raise AssertionError("not to be handled here")

    stray = message((HOME + 1) % 8)
    done = await sending_misplaced_home(handler, 8)(stray)
    assert (done.verdict, done.reason, done.import_id) == ("skipped", "moved", "")
    (record,) = done.records
    assert tuple(record) == (CHANGES, HOME, KEY, stray.value, stray.headers)
    assert home_record(Incoming(*record[:2], 0, *record[2:]), 8) is None  # and no further


def test_tables_made_with_another_number_of_partitions_are_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    folder.mkdir()
    stores.keep_for(4, folder)
    table = folder / "v1" / "tables" / "seen-3.db"
    table.mkdir(parents=True)
    stores.keep_for(4, folder)
    assert table.is_dir()
    stores.keep_for(6, folder)
    assert not table.exists()
    assert folder.is_dir()
