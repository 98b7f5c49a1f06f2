"""``dead-letters`` without services: what it prints, what it sends, how it ends."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import UnavailableError
from schemas.messages.dead_letters import DeadLetter, DeadLetterVerdict
from schemas.topics import BACKFILL
from streams.testing import InMemoryProducer
from tests.dead_letter_fixtures import a_letter, a_retry, a_verdict, b64, book_of
from ticketstream import cli
from ticketstream.operations.dead_letters import book as dead_letters
from ticketstream.operations.dead_letters import work as dead_letter_work
from ticketstream.operations.dead_letters.book import DeadLetterList, KnownLetter
from ticketstream.operations.imports import waiting as import_wait


class LettersBench:
    """A topic of dead letters in memory, and what commands send."""

    def __init__(self) -> None:
        self.messages: list[DeadLetter | DeadLetterVerdict] = []
        self.unreadable = 0
        self.producer = InMemoryProducer()

    @property
    def found(self) -> DeadLetterList:
        found = book_of(*self.messages)
        found.unreadable = self.unreadable
        return found

    async def load(self, _: str) -> DeadLetterList:
        return self.found

    async def originals(
        self, _: str, chosen: Collection[KnownLetter]
    ) -> AsyncIterator[tuple[KnownLetter, DeadLetter]]:
        for known in chosen:
            letter = self.messages[known.offset]
            assert isinstance(letter, DeadLetter)
            yield known, letter


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LettersBench:
    monkeypatch.setenv("TICKETSTREAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TICKETSTREAM_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    bench = LettersBench()

    class Sender:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        async def __aenter__(self) -> Sender:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def send(self, records: Any) -> None:
            before = len(bench.producer.messages(DeadLetterVerdict))
            await bench.producer.send(records)
            bench.messages += bench.producer.messages(DeadLetterVerdict)[before:]

    async def topics(_: Any) -> None: ...

    async def warn(_: Any) -> bool:
        return True

    for module in (dead_letters, dead_letter_work):
        monkeypatch.setattr(module, "load_dead_letters", bench.load)
        monkeypatch.setattr(module, "originals", bench.originals)
    monkeypatch.setattr(dead_letter_work, "Sender", Sender)
    monkeypatch.setattr(import_wait, "warn_without_workers", warn)
    monkeypatch.setattr(dead_letter_work, "ensure_topics", topics)
    return bench


LINE = {"stage": "source", "error_type": "DecodeError", "topic": "/x.ndjson", "line": 12, "key": None}
Printed = pytest.CaptureFixture[str]


def told(capsys: Printed, *arguments: str, status: int = 0) -> Any:
    assert cli.run(["dead-letters", *arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_letters_are_grouped_by_reason(bench: LettersBench, capsys: Printed) -> None:
    bench.messages = [a_letter(3), a_letter(2), a_letter(1, **LINE)]
    bench.unreadable = 1
    found = told(capsys, "list", "--limit", "2")
    assert (found["total"], found["unreadable"]) == (3, 1)
    assert found["states"] == {"open": 3, "retried": 0, "discarded": 0}
    first = found["reasons"][0]
    assert (first["reason"], first["stage"], first["error_type"]) == (
        "embed/RefusedError",
        "embed",
        "RefusedError",
    )
    assert (first["count"], first["oldest"], first["newest"]) == (
        2,
        "1970-01-01T00:16:42Z",
        "1970-01-01T00:16:43Z",
    )
    assert first["example"]["offset"] == 3
    assert [one["offset"] for one in found["dead_letters"]] == [3, 2]

    assert cli.run(["dead-letters", "list"]) == 0
    printed = capsys.readouterr()
    words = " ".join(printed.out.split())
    assert (
        "embed/RefusedError 2 1970-01-01T00:16:42Z 1970-01-01T00:16:43Z 0000000000000003 no [bold]" in words
    )
    assert "source/DecodeError 1" in words
    assert "\x1b[31m" not in printed.out
    assert "1 messages on the topic are no dead letters" in printed.err
    assert "--flat lists each of them" in printed.err


def test_letters_are_listed_one_by_one(bench: LettersBench, capsys: Printed) -> None:
    first = a_letter(1)
    again = a_retry(2, first)
    bench.messages = [first, a_verdict(first), again, a_letter(3, **LINE), a_retry(4, again)]
    assert cli.run(["dead-letters", "list", "--flat", "--limit", "2"]) == 0
    printed = capsys.readouterr()
    assert "2 of 2 are shown" not in printed.err
    words = " ".join(printed.out.split())
    assert "source – /x.ndjson line 12 open DecodeError" in words
    assert (
        "embed #7 tickets.backfill/1@4 open, failed again, 2 times RefusedError: no [bold]\\x1b[31m" in words
    )
    assert "2 more were retried or discarded; --all lists them too" in printed.err
    assert cli.run(["dead-letters", "list", "--flat", "--limit", "1", "--all"]) == 0
    printed = capsys.readouterr()
    assert "1 of 4 are shown; --limit 0 shows all" in printed.err
    assert "more were" not in printed.err
    assert [one["state"] for one in told(capsys, "list", "--all")["dead_letters"]] == [
        "open",
        "open",
        "retried",
        "retried",
    ]


def test_an_empty_topic_and_one_without_open_letters(bench: LettersBench, capsys: Printed) -> None:
    assert cli.run(["dead-letters", "list"]) == 0
    assert capsys.readouterr().out == "no dead letters\n"
    bench.messages = [a_letter(1), a_verdict(a_letter(1), "discarded")]
    assert cli.run(["dead-letters", "list"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err.strip()) == (
        "no open dead letters\n",
        "1 more were retried or discarded; --all lists them too",
    )


def test_a_list_can_be_narrowed(bench: LettersBench, capsys: Printed) -> None:
    bench.messages = [a_letter(1), a_letter(2, key=b64(b"acme:8")), a_letter(3, **LINE)]
    assert told(capsys, "list", "--ticket", "#8")["total"] == 1
    assert told(capsys, "list", "--reason", "embed", "--reason", "source")["total"] == 3
    assert told(capsys, "list", "--reason", "embed", "--ticket", "7")["total"] == 1
    assert told(capsys, "list", "--until", "1970-01-01T00:16:42")["total"] == 1


def test_one_letter_is_shown(bench: LettersBench, capsys: Printed) -> None:
    first = a_letter(5)
    second = a_retry(6, first)
    bench.messages = [first, a_verdict(first), second, a_letter(7, value=None)]
    assert cli.run(["dead-letters", "show", first.id]) == 0
    shown = capsys.readouterr().out
    for words in (
        "acme:7",
        "enriched-ticket/1",
        "no [bold]\\x1b[31m",
        '"a": [',
        "retried at 1970",
        second.id,
    ):
        assert words in shown
    found = told(capsys, "show", first.id)
    assert base64.b64decode(found["value"]) == b'{"a":[1,2]}'
    assert (found["partition"], found["offset"], found["value_text"]) == (1, 5, '{"a":[1,2]}')
    assert (found["state"], found["failed_again_as"]) == ("retried", [second.id])
    assert cli.run(["dead-letters", "show", second.id]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"retry of {first.id}" in shown
    assert "state open, failed again" in shown
    assert cli.run(["dead-letters", "show", f"{7:016x}"]) == 0
    assert "the message had no value" in capsys.readouterr().out


def test_a_retry_is_sent_once(bench: LettersBench, capsys: Printed) -> None:
    letters = [a_letter(number) for number in (1, 2, 3)]
    bench.messages = [*letters]
    assert cli.run(["dead-letters", "retry", letters[0].id, "--id", letters[1].id]) == 0
    heard = capsys.readouterr().err.splitlines()
    assert heard == [
        "2 dead letters to be retried",
        "2 dead letters retried",
        "what fails again is in `ticketstream dead-letters list`",
    ]
    assert len(bench.producer.on(BACKFILL)) == 2
    assert cli.run(["dead-letters", "retry", letters[0].id]) == 0
    assert capsys.readouterr().err == "1 dead letter was retried or discarded before: nothing to do\n"
    found = told(capsys, "retry", "--all")
    assert found == {
        "matched": 3,
        "retried": 1,
        "settled_before": 2,
        "dead_letters": [letters[2].id],
        "impossible": [],
    }
    assert told(capsys, "retry", "--all")["retried"] == 0
    assert len(bench.producer.on(BACKFILL)) == 3
    # One fails again: its id, or --all, sends it once more.
    bench.messages.append(a_retry(4, letters[0]))
    assert told(capsys, "retry", letters[0].id)["dead_letters"] == [f"{4:016x}"]
    assert len(bench.producer.on(BACKFILL)) == 4


def test_discarded_letters_are_put_aside_and_can_be_called_back_by_id(
    bench: LettersBench, capsys: Printed
) -> None:
    letters = [a_letter(number) for number in (1, 2)]
    bench.messages = [*letters]
    assert told(capsys, "discard", "--reason", "embed/RefusedError", "--until", "1970-01-01T00:16:42") == {
        "matched": 1,
        "discarded": 1,
        "settled_before": 0,
        "dead_letters": [letters[0].id],
        "impossible": [],
    }
    assert bench.producer.on(BACKFILL) == []
    assert told(capsys, "list")["total"] == 1
    assert told(capsys, "retry", "--ticket", "7")["dead_letters"] == [letters[1].id]
    assert told(capsys, "discard", letters[1].id)["discarded"] == 0  # it is on its way
    assert told(capsys, "retry", letters[0].id)["dead_letters"] == [letters[0].id]
    assert {known.state for known in bench.found.letters} == {"retried"}


def test_what_cannot_be_retried_is_named_and_stays(bench: LettersBench, capsys: Printed) -> None:
    bench.messages = [a_letter(number, topic=f"gone\x1b{number}") for number in range(12)]
    bench.messages.append(a_letter(20))
    assert cli.run(["dead-letters", "retry", "--all"]) == 1
    heard = capsys.readouterr().err
    assert heard.count("cannot be retried: no stage reads the topic") == 10
    assert "2 more cannot be retried: --json names them all" in heard
    assert "\x1b" not in heard
    assert "1 dead letter retried" in heard
    assert len(told(capsys, "retry", "--all", status=1)["impossible"]) == 12
    assert bench.found.states == {"open": 12, "retried": 1}


def test_a_kafka_that_goes_away_leaves_the_rest_open(bench: LettersBench, capsys: Printed) -> None:
    bench.messages = [a_letter(number) for number in range(250)]
    calls = 0
    send = bench.producer.send

    async def breaks(records: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise UnavailableError("Kafka is away")
        return await send(records)

    bench.producer.send = breaks  # type: ignore[method-assign]
    assert cli.run(["dead-letters", "retry", "--all"]) == 1
    heard = capsys.readouterr().err
    assert "200 dead letters retried before that; the same command goes on with the rest" in heard
    assert heard.endswith("error: Kafka is away\n")
    assert told(capsys, "retry", "--all")["retried"] == 50


def test_letters_are_exported(bench: LettersBench, capsys: Printed, tmp_path: Path) -> None:
    letters = [a_letter(number) for number in (1, 2, 3)]
    bench.messages = [*letters, a_verdict(letters[0])]
    file = tmp_path / "letters.ndjson"
    file.write_text("old")
    assert cli.run(["dead-letters", "export", str(file)]) == 0
    assert capsys.readouterr().err.strip() == f"2 dead letters are in {file}"
    read = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(one["offset"] for one in read) == [2, 3]
    assert {base64.b64decode(one["value"]) for one in read} == {b'{"a":[1,2]}'}
    assert file.stat().st_mode & 0o777 == 0o600
    assert told(capsys, "export", str(file), "--all") == {"file": str(file), "exported": 3}
    before = file.read_text()
    assert cli.run(["dead-letters", "export", str(file), "--ticket", "99"]) == 1
    assert file.read_text() == before
    assert list(tmp_path.glob("*.part")) == []
    capsys.readouterr()
    assert cli.run(["dead-letters", "export", str(tmp_path / "no" / "x.ndjson")]) == 1
    assert capsys.readouterr().err.startswith("error: No such file or directory: ")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["show", "nope"], 1, "no dead letter has the id 'nope': see"),
        (["retry", "nope"], 1, "no dead letter has the id 'nope': see"),
        (["discard", f"{1:016x}", "nope"], 1, "no dead letter has the id 'nope': see"),
        (["retry"], 2, "say which: ids, --ticket, --reason, --since, --until, or --all"),
        (["discard"], 2, "say which"),
        (["retry", "x", "--all"], 2, "not two of these"),
        (["retry", "x", "--ticket", "7"], 2, "not two of these"),
        (["discard", "--reason", "x", "--all"], 2, "not two of these"),
        (["retry", "--ticket", "seven"], 1, "--ticket 'seven' is no ticket number: write its digits"),
        (["list", "--ticket", "-1"], 1, "--ticket '-1' is no ticket number"),
        (["list", "--ticket", "9" * 5000], 1, "is no ticket number"),
        (["retry", "--ticket", "99"], 1, "no dead letter matches; there are 1, for the reasons embed/Ref"),
        (["retry", "--reason", "typo"], 1, "no dead letter matches"),
        (["list", "--since", "someday"], 1, "--since 'someday' is no date"),
        (["list", "--since", "1d", "--until", "2d"], 1, "does not lie before --until"),
        (["export"], 2, "FILE.ndjson"),
    ],
)
def test_what_is_wrong_is_one_line(
    bench: LettersBench, arguments: list[str], status: int, words: str, capsys: Printed
) -> None:
    bench.messages = [a_letter(1)]
    assert cli.run(["dead-letters", *arguments]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert bench.producer.sent == []


def test_all_of_nothing_is_an_error(bench: LettersBench, capsys: Printed) -> None:
    assert cli.run(["dead-letters", "retry", "--all"]) == 1
    assert capsys.readouterr().err == "error: there are no dead letters\n"
