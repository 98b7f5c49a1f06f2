"""Dead letters read from their topic: what became of each, which are meant, how they group."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.errors import UserError
from schemas.messages.dead_letters import DeadLetter
from schemas.testing import a_change
from schemas.topics import IMPORT_COMMANDS
from tests.dead_letter_fixtures import Raw, a_letter, a_retry, a_verdict, b64, book_of, topic_of
from tests.shared_fixtures import QUICK
from ticketstream.operations.dead_letters.book import Book, DeadLetterList, original
from ticketstream.operations.dead_letters.choice import Filters, by_reason, filtered, parse_filters, to_settle

NOW = datetime(2026, 1, 31, tzinfo=UTC)
LINE = {"stage": "source", "topic": "/x.ndjson", "line": 12, "key": None, "error_type": "DecodeError"}


def states(found: DeadLetterList) -> dict[str, str]:
    return {known.letter.id[-1]: known.state for known in found.letters}


def ids(chosen: list[Any]) -> list[str]:
    return [known.letter.id[-1] for known in chosen]


def test_the_newest_come_first_without_their_values_and_with_their_places() -> None:
    found = book_of(a_letter(1), a_letter(3), a_letter(2))
    assert ids(found.letters) == ["3", "2", "1"]
    assert [(known.partition, known.offset, known.key) for known in found.letters] == [
        (1, 1, b"acme:7"),
        (1, 2, b"acme:7"),
        (1, 0, b"acme:7"),
    ]
    assert {known.letter.value for known in found.letters} == {None}


def test_a_verdict_closes_its_letter_and_the_last_one_counts() -> None:
    letters = [a_letter(number) for number in (1, 2, 3)]
    found = book_of(
        *letters,
        a_verdict(letters[0]),
        a_verdict(letters[1], "discarded"),
        a_verdict(letters[1], "retried", 6000.0),
        a_verdict(a_letter(9)),  # of a letter nobody has seen
    )
    assert states(found) == {"1": "retried", "2": "retried", "3": "open"}
    assert found.find(letters[1].id).settled_at == 6000.0
    assert found.states == {"retried": 2, "open": 1}
    assert found.unreadable == 0


def test_a_message_of_kafka_that_comes_again_after_a_crash_stays_closed() -> None:
    letter = a_letter(1)
    assert states(book_of(letter, a_verdict(letter), letter)) == {"1": "retried"}


def test_a_file_s_line_that_fails_again_is_open_again() -> None:
    line = a_letter(1, **LINE)
    later = a_letter(1, **LINE, import_id="i2", failed_at=9000.0)
    assert states(book_of(line, a_verdict(line))) == {"1": "retried"}
    assert states(book_of(line, a_verdict(line), later)) == {"1": "open"}
    assert states(book_of(line, a_verdict(line), later, a_verdict(line, "discarded"))) == {"1": "discarded"}


def test_a_retry_that_fails_again_names_its_letter() -> None:
    first = a_letter(1)
    second = a_retry(2, first)
    third = a_retry(3, second)
    found = book_of(first, a_verdict(first), second, a_verdict(second), third)
    assert states(found) == {"1": "retried", "2": "retried", "3": "open"}
    assert found.find(first.id).failed_again_as == [second.id]
    assert [known.retry.number if known.retry else 0 for known in found.letters] == [2, 1, 0]


def test_a_retry_without_a_verdict_that_failed_again_was_a_retry_all_the_same() -> None:
    first = a_letter(1)
    found = book_of(first, a_retry(2, first))
    assert states(found) == {"1": "retried", "2": "open"}
    assert found.find(first.id).settled_at == 1002.0
    # Not so a line that has failed once more since: its newest failure was never retried.
    line = a_letter(1, **LINE)
    found = book_of(line, a_retry(2, line), a_letter(1, **LINE, failed_at=9000.0))
    assert states(found) == {"1": "open", "2": "open"}


def test_a_letter_that_names_itself_is_just_open() -> None:
    odd = a_letter(1, headers=[("retry-of", b64(b"0000000000000001"))])
    assert states(book_of(odd)) == {"1": "open"}
    assert ids(to_settle(book_of(odd), [odd.id], Filters())) == ["1"]


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\xff", [("schema", b"dead-letter/1")]),
        (b"{}", [("schema", b"dead-letter-verdict/1")]),
        (b"{}", [("schema", b"dead-letter-verdict/9")]),
        (b"{}", []),
        (b"{}", None),
    ],
)
def test_what_cannot_be_read_is_counted(value: bytes, headers: Any) -> None:
    book = Book()
    book.add(Raw(0, 0, None, value, headers))
    book.add(Raw(0, 1, None, None, []))
    book.add(topic_of(a_letter())[0])
    found = book.close()
    assert (len(found.letters), found.unreadable) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "ticket"),
    [
        ({"key": b64(b"acme:42")}, 42),
        ({"key": b64(b"acme:42"), "value": b64(b'{"ticket_id": 9}')}, 42),
        ({"key": b64(b"another"), "value": b64(encode(a_change()))}, 1),
        ({"key": None, "value": b64(b'{"ticket_id": 9, "x": [')}, None),
        ({"key": None, "value": b64(b'{"ticket_id": "9"}')}, None),
        ({"key": None, "value": b64(b"[" * 100_000)}, None),
        ({"key": None, "value": None}, None),
        ({"key": b64(b"acme:" + b"9" * 5000), "value": b64(b"\xff")}, None),
        (LINE | {"value": b64(b'{"id": 77, "subject": "x"}')}, 77),
        ({"topic": IMPORT_COMMANDS, "key": b64(b"acme:5")}, None),
    ],
)
def test_which_ticket_a_letter_is_about(fields: dict[str, Any], ticket: int | None) -> None:
    assert book_of(a_letter(1, **fields)).letters[0].ticket_id == ticket


def test_an_original_that_is_no_base64_comes_back_as_it_is() -> None:
    assert original(None) is None
    assert original(b64(b"\x00\xff")) == b"\x00\xff"
    assert original("no base64!") == b"no base64!"


FOUND = [
    a_letter(1),
    a_letter(2, key=b64(b"acme:8")),
    a_letter(3, stage="index", error_type="DecodeError"),
    a_letter(4, **LINE, value=b64(b'{"id": 7}')),
    a_letter(5),
]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), "54321"),
        (Filters(tickets=(8,)), "2"),
        (Filters(tickets=(8, 7)), "54321"),
        (Filters(reasons=("embed/RefusedError",)), "521"),
        (Filters(reasons=(" DECODEERROR ",)), "43"),
        (Filters(reasons=("source", "embed")), "5421"),
        (Filters(since=1002.0), "5432"),
        (Filters(until=1002.0), "1"),
        (Filters(since=1002.0, until=1004.0), "32"),
        (Filters(tickets=(7,), reasons=("embed",), since=1002.0), "5"),
    ],
)
def test_filters(filters: Filters, expected: str) -> None:
    assert "".join(ids(filtered(book_of(*FOUND), filters))) == expected
    assert bool(filters) is (filters != Filters())


def test_when_nothing_matches_the_reasons_there_are_are_named() -> None:
    with pytest.raises(UserError, match=r"no dead letter matches; there are 5, for the reasons embed/Ref"):
        filtered(book_of(*FOUND), Filters(reasons=("embed/DecodeError",)))
    with pytest.raises(UserError, match="there are none"):
        filtered(book_of(), Filters(tickets=(1,)))
    with pytest.raises(UserError, match="there are no dead letters"):
        to_settle(book_of(), [], Filters())
    many = book_of(*(a_letter(n, error_type=f"E{n:02}\x1b") for n in range(12)))
    with pytest.raises(UserError) as caught:
        filtered(many, Filters(tickets=(1,)))
    assert "\x1b" not in str(caught.value)
    assert "E09\\x1b …:" in str(caught.value)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-01-30", None, (NOW.timestamp() - 86_400, None)),
        ("2d", "12h", (NOW.timestamp() - 2 * 86_400, NOW.timestamp() - 43_200)),
        (None, "2030-01-01T00:00", (None, datetime(2030, 1, 1, tzinfo=UTC).timestamp())),
    ],
)
def test_times(since: str | None, until: str | None, expected: Any) -> None:
    filters = parse_filters(["1"], ["x"], since, until, NOW)
    assert (filters.since, filters.until) == expected
    assert (filters.tickets, filters.reasons) == ((1,), ("x",))


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [("soon", None, "--since 'soon' is no date"), (None, "soon", "--until 'soon'"), ("1d", "2d", "not lie")],
)
def test_times_that_make_no_sense(since: str | None, until: str | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_filters([], [], since, until, NOW)


def test_letters_are_grouped_by_stage_and_error() -> None:
    groups = by_reason(reversed(book_of(*FOUND).letters))
    assert [(group.name, group.count, group.oldest, group.newest) for group in groups] == [
        ("embed/RefusedError", 3, 1001.0, 1005.0),
        ("index/DecodeError", 1, 1003.0, 1003.0),
        ("source/DecodeError", 1, 1004.0, 1004.0),
    ]
    assert ids([groups[0].example]) == ["5"]
    assert by_reason([]) == []


@QUICK
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("XY"), st.floats(0, 1e9)), max_size=20))
def test_no_letter_is_lost_in_grouping(made: list[tuple[str, str, float]]) -> None:
    letters = [
        a_letter(number, stage=stage, error_type=error, failed_at=at)
        for number, (stage, error, at) in enumerate(made)
    ]
    groups = by_reason(book_of(*letters).letters)
    assert sum(group.count for group in groups) == len(made)
    for group in groups:
        times = [at for stage, error, at in made if f"{stage}/{error}" == group.name]
        assert (group.oldest, group.newest, group.count) == (min(times), max(times), len(times))
        assert group.example.letter.failed_at == group.newest


def test_ids_stand_for_the_letters_their_retries_led_to() -> None:
    first = a_letter(1)
    second, third = a_retry(2, first), a_retry(3, first)
    fourth = a_retry(4, second)
    found = book_of(first, a_verdict(first), second, third, a_verdict(second), fourth)
    assert sorted(ids(to_settle(found, [first.id], Filters()))) == ["3", "4"]
    assert ids(to_settle(found, [second.id, second.id], Filters())) == ["4"]
    assert sorted(ids(to_settle(found, [first.id, third.id], Filters()))) == ["3", "4"]
    with pytest.raises(UserError, match="no dead letter has the id 'x'"):
        to_settle(found, [first.id, "x"], Filters())


def test_letters_that_name_one_another_come_to_an_end() -> None:
    def odd(number: int, before: int) -> DeadLetter:
        return a_letter(number, headers=[("retry-of", b64(f"{before:016x}".encode()))])

    ring = [odd(1, 2), odd(2, 1)]
    found = book_of(*ring, *(a_verdict(letter) for letter in ring))
    assert len(to_settle(found, [ring[0].id], Filters())) == 1


def test_ids_come_one_by_one() -> None:
    found = book_of(*FOUND)
    assert ids(to_settle(found, [FOUND[3].id, FOUND[0].id], Filters())) == ["4", "1"]
    assert len(to_settle(found, [], Filters())) == 5
