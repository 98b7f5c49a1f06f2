"""The demo's place ends what it started, however the block ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.errors import StackError, UserError
from ticketstream.demo import place
from ticketstream.demo.place import Place, running_place
from ticketstream.local.stack.layout import StackPaths


class Stack:
    """A stack that only notes what it was told to do."""

    done: list[str]
    broken = False

    def __init__(self, data_dir: Path, *_: object, **__: object) -> None:
        self.paths = StackPaths.of(data_dir)

    def is_running(self) -> bool:
        return False

    def start(self) -> dict[str, str]:
        self.paths.prepare()
        if self.broken:
            raise StackError("Kafka does not start")
        self.done.append("stack starts")
        self.paths.settings_file.write_text("TICKETSTREAM_ZENDESK__SUBDOMAIN=acme\n")
        return {"TICKETSTREAM_ZENDESK__SUBDOMAIN": "acme"}

    def stop(self, *, delete_data: bool) -> bool:
        self.done.append("stack stops")
        if delete_data:
            self.paths.delete_data()
        return True


class Workers:
    """Workers that only note what they were told to do."""

    done: list[str]

    def __init__(self, *_: object) -> None:
        self.deaths: list[str] = []

    def start(self) -> None:
        self.done.append("workers start")

    def stop(self) -> None:
        # A person who presses Ctrl-C again must not keep the stack from being stopped.
        os.kill(os.getpid(), signal.SIGINT)
        self.done.append("workers stop")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    noted: list[str] = []
    monkeypatch.setattr(Stack, "done", noted, raising=False)
    monkeypatch.setattr(Workers, "done", noted, raising=False)
    monkeypatch.setattr(place, "LocalStack", Stack)
    monkeypatch.setattr(place, "DemoWorkers", Workers)
    return noted


@contextmanager
def silent() -> Iterator[Callable[[str, str], None]]:
    yield lambda step, detail: None


def run(folder: Path, block: Callable[[Place], None], *, keep: bool = False) -> list[str]:
    """Run a block in the place and return what was told."""
    told: list[str] = []
    with running_place(folder, 20, 2, keep=keep, reporting=silent, tell=told.append) as there:
        block(there)
    return told


ALL = ["stack stops", "stack starts", "workers start", "workers stop", "stack stops"]


def test_a_good_end_leaves_nothing(done: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "data" / "here"
    seen: list[str | None] = []
    assert run(folder, lambda there: seen.append(there.settings.zendesk.subdomain)) == []
    assert seen == ["acme"]
    assert done == ALL
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_stays(done: list[str], tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    run(tmp_path, lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["kafka"]


def test_keep_leaves_the_stack_and_stops_the_workers(done: list[str], tmp_path: Path) -> None:
    run(tmp_path, lambda _: None, keep=True)
    assert done == ALL[:-1]
    assert (tmp_path / "demo" / "stack.env").exists()
    assert not (tmp_path / "demo" / "demo.lock").exists()


@pytest.mark.parametrize("keep", [False, True])
def test_an_error_stops_everything_and_keeps_the_logs(done: list[str], tmp_path: Path, keep: bool) -> None:
    told: list[str] = []

    def tell(words: str) -> None:
        told.append(words)

    with (
        pytest.raises(UserError, match="no hits"),
        running_place(tmp_path, 20, 2, keep=keep, reporting=silent, tell=tell),
    ):
        raise UserError("no hits")
    assert done == ALL
    assert told == [f"What the services and the workers logged is in {tmp_path / 'demo' / 'logs'}"]
    assert (tmp_path / "demo" / "logs").is_dir()


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_leaves_nothing(done: list[str], tmp_path: Path, end: type[BaseException]) -> None:
    def interrupted(_: Place) -> None:
        raise end

    with pytest.raises(end):
        run(tmp_path, interrupted)
    assert done == ALL
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_the_block(done: list[str], tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        run(tmp_path, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert end.value.code == 143
    assert done == ALL
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_stack_that_does_not_start_has_no_workers(
    done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "broken", True)
    with pytest.raises(StackError, match="Kafka does not start"):
        run(tmp_path, lambda _: None)
    assert done == ["stack stops", "stack stops"]


def test_two_demos_at_once_are_one_too_many(done: list[str], tmp_path: Path) -> None:
    def another(_: Place) -> None:
        with pytest.raises(StackError, match="another demo is running"):
            run(tmp_path, lambda _: None)

    run(tmp_path, another)
    assert done == ALL


def test_a_folder_that_cannot_be_made_is_one_clear_line(done: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="TICKETSTREAM_DATA_DIR"):
        run(tmp_path / "file", lambda _: None)
    assert done == []
