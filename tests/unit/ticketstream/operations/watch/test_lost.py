"""Live changes in the dead letters: counted until they are settled, or a newer state has made up for them."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.codec import encode, headers_of
from schemas.headers.retries import with_retry
from schemas.messages.dead_letters import DeadLetter
from schemas.messages.tickets import Origin, Receipt
from schemas.topics import BACKFILL, CHANGES, DEAD_LETTERS, IMPORT_COMMANDS, INDEXED
from ticketstream.operations.dead_letters.book import Book
from ticketstream.operations.dead_letters.settle import _verdict_record
from ticketstream.operations.watch.lost import LostChanges

RETRIED = [(name, base64.b64encode(value).decode()) for name, value in with_retry((), "0" * 16)]


def letter(
    number: int,
    topic: str = CHANGES,
    *,
    account: str = "acme",
    ticket: int = 7,
    version: int = 50,
    **more: Any,
) -> Any:
    value = b'{"account":"%s","ticket_id":%d,"version":%d}' % (account.encode(), ticket, version)
    key = f"{account}:{ticket}".encode()
    told: dict[str, Any] = {"stage": "enrich", "import_id": "", "headers": []} | more
    one = DeadLetter(
        id=f"{number:016}",
        topic=topic,
        partition=0,
        offset=number,
        key=base64.b64encode(key).decode(),
        value=base64.b64encode(value).decode(),
        error_type="RefusedError",
        message="no",
        failed_at=100.0,
        **told,
    )
    return SimpleNamespace(
        topic=DEAD_LETTERS,
        partition=0,
        offset=number,
        timestamp=100_000,
        key=key,
        value=encode(one),
        headers=headers_of(one),
    )


def receipt(version: int, at: float, ticket: int = 7) -> Any:
    one = Receipt(
        account="acme",
        ticket_id=ticket,
        version=version,
        outcome="indexed",
        changed_at=at,
        indexed_at=at,
        origin=Origin(CHANGES, 0, 9),
        chunks=1,
        vectors_written=1,
        objects_deleted=0,
    )
    return SimpleNamespace(topic=INDEXED, key=f"acme:{ticket}".encode(), value=encode(one))


def lost_of(*raws: Any) -> tuple[LostChanges, Book]:
    book = Book()
    for raw in raws:
        book.add(raw)
    lost = LostChanges("acme")
    lost.take_letters(book.close().letters)
    return lost, book


@pytest.mark.parametrize(
    ("one", "count"),
    [
        (letter(1), 1),
        (
            letter(1, BACKFILL, headers=RETRIED),
            1,
        ),  # a live change's letter that is retried goes by the other lane
        (letter(1, BACKFILL), 0),
        (letter(1, "zendesk:export", stage="source"), 1),
        (letter(1, import_id="i1"), 0),
        (letter(1, BACKFILL, import_id="replay-1"), 0),
        (letter(1, IMPORT_COMMANDS, stage="imports"), 0),
        (letter(1, account="other"), 0),
    ],
)
def test_only_live_changes_count(one: Any, count: int) -> None:
    assert lost_of(one)[0].count == count


def test_what_is_settled_counts_no_more() -> None:
    lost, book = lost_of(letter(1), letter(2, ticket=8))
    assert lost.count == 2
    for known, kind in zip(book.close().letters, ("retried", "discarded"), strict=True):
        record = _verdict_record(known, kind)  # type: ignore[arg-type]
        book.add(SimpleNamespace(timestamp=101_000, offset=9, **record._asdict()))
    lost.take_letters(book.close().letters)
    assert lost.count == 0


@pytest.mark.parametrize(
    ("one", "count"),
    [
        (receipt(51, 101.0), 0),
        (receipt(50, 101.0), 0),  # mended by a comparison with the account
        (receipt(49, 101.0), 1),  # an older state that was on its way
        (receipt(60, 99.0), 1),  # from before it failed
        (receipt(60, 101.0, ticket=8), 1),
        (SimpleNamespace(topic=INDEXED, key=b"acme:7", value=b"{"), 1),
    ],
)
def test_a_newer_state_that_is_indexed_makes_up_for_it(one: Any, count: int) -> None:
    lost, book = lost_of(letter(1))
    lost.take_receipt(one)
    assert lost.count == count
    lost.take_letters(book.close().letters)
    assert lost.count == count


def test_receipts_from_before_are_read_once_for_each_letter() -> None:
    lost, book = lost_of(letter(1))
    unread = lost.unread()
    assert unread is not None
    since, letters = unread
    assert (since, set(letters)) == (100.0, {f"{1:016}"})
    lost.read_through(letters)
    assert lost.unread() is None
    book.add(letter(2, ticket=8))
    lost.take_letters(book.close().letters)
    assert lost.unread() is not None
