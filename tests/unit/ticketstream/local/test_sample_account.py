"""The generated account: the same for the same seed, and as varied as promised."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import orjson
import pytest

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.corpus import ENGLISH, WORLD
from ticketstream.local.sample.zendesk.shape import END, SHOWCASE, Kind, Shape


@pytest.fixture(scope="module")
def account() -> Account:
    return Account("acme", 3_000, seed=7)


@pytest.fixture(scope="module")
def tickets(account: Account) -> list[tuple[dict, list[dict]]]:
    return [account.whole(i) for i in range(1, 3_001)]


def test_same_seed_same_account_other_seed_another(account: Account) -> None:
    again, other = Account("acme", 3_000, seed=7), Account("acme", 3_000, seed=8)
    ids = range(1, 60)
    assert [orjson.dumps(again.whole(i)) for i in reversed(ids)][::-1] == [
        orjson.dumps(account.whole(i)) for i in ids
    ]
    assert sum(other.row(i)["description"] == account.row(i)["description"] for i in ids) < 10


def test_a_row_alone_is_the_row_of_the_whole_ticket(account: Account) -> None:
    for ticket_id in (1, 3, 5, 7, 11, 13, 17, 500):
        row, comments = account.whole(ticket_id)
        assert account.row(ticket_id) == row
        assert row["description"] == comments[0]["body"]
        assert row["is_public"] == any(comment["public"] for comment in comments)


def test_kinds_come_in_the_promised_shares() -> None:
    shape = Shape(3, 50_000)
    counts = Counter(shape.kind.tolist())
    for kind in (Kind.DELETED, Kind.MERGED, Kind.SPAM, Kind.MANY_COMMENTS, Kind.EMPTY):
        assert 400 < counts[kind] < 600
    assert {shape.kind[i - 1] for i in SHOWCASE} == set(SHOWCASE.values())
    many = shape.comments[shape.kind == Kind.MANY_COMMENTS]
    assert (many.min(), many.max()) == (101, 260)
    rest = shape.comments[shape.kind != Kind.MANY_COMMENTS]
    assert rest.min() == 1
    assert rest.max() == 8


def test_times_are_in_order_and_many_timestamps_are_tied() -> None:
    shape = Shape(3, 20_000)
    assert (np.diff(shape.created) >= 0).all()
    assert (shape.updated >= shape.created).all()
    assert (shape.generated >= shape.updated).all()
    assert shape.generated.max() == END
    ties = Counter(shape.generated.tolist())
    assert ties[END] > 900
    assert sum(count for count in ties.values() if count > 1) > 8_000


def test_comment_ids_and_times_ascend(tickets: list[tuple[dict, list[dict]]]) -> None:
    seen = set()
    for row, comments in tickets:
        ids = [comment["id"] for comment in comments]
        assert ids == sorted(ids)
        seen.update(ids)
        times = [comment["created_at"] for comment in comments]
        assert times == sorted(times)
        assert row["created_at"] == times[0]
        assert times[-1] <= row["updated_at"]
    assert len(seen) == sum(len(comments) for _, comments in tickets)


def test_texts_are_varied(tickets: list[tuple[dict, list[dict]]]) -> None:
    comments = [comment for _, found in tickets for comment in found]
    tags = Counter(tag for row, _ in tickets for tag in row["tags"])
    assert {topic.tag for topic in ENGLISH.topics} <= set(tags)
    assert {f"lang_{language}" for language in WORLD} <= set(tags)
    bodies = [row["description"] for row, _ in tickets if row["description"].strip()]
    assert len(set(bodies)) > 0.98 * len(bodies)
    letters = {unicodedata.bidirectional(letter) for body in bodies for letter in body[:80]}
    assert {"R", "AL"} <= letters
    assert any("🙏" in body for body in bodies)
    assert max(len(comment["body"]) for comment in comments) > 40_000
    assert any(not row["subject"] and not row["description"].strip() for row, _ in tickets)
    assert any("<ul>" in comment["html_body"] for comment in comments)
    assert 0.05 < sum(not comment["public"] for comment in comments) / len(comments) < 0.3
    assert 0.03 < sum(bool(comment["attachments"]) for comment in comments) / len(comments) < 0.2


def test_deleted_spam_and_merged_tickets(account: Account) -> None:
    assert [account.gone(i) for i in (5, 13, 11, 1)] == ["deleted", "spam", None, None]
    assert [account.removed(i) for i in (5, 13, 11, 1)] == [True, True, False, False]
    merged = account.row(11)
    assert merged["status"] == "closed"
    assert "closed_by_merge" in merged["tags"]
    assert account.merged_into(11) == 10
    assert account.merged_into(10) is None
    assert account.row(5)["status"] == "deleted"


def test_people_lead_back_to_their_ids(account: Account) -> None:
    people = account.people
    for index in (0, people.agents, people.users - 1):
        user = people.user(people.user_id(index))
        assert user is not None
        assert people.user_index(user["id"]) == index
        assert (user["role"] == "end-user") == (index >= people.agents)
    assert people.user(people.user_id(people.users)) is None
    assert people.user(17) is None
    assert people.organization(17) is None
    names = [people.organization_name(i) for i in range(people.organizations)]
    assert len(set(names)) == len(names)


def test_records_of_tickets_exist(account: Account, tickets: list[tuple[dict, list[dict]]]) -> None:
    for row, comments in tickets[:500]:
        for field in (
            "requester_id",
            "submitter_id",
            "assignee_id",
            "organization_id",
            "group_id",
            "brand_id",
        ):
            assert row[field] is None or account.knows(field, row[field])
        assert all(account.user_name(comment["author_id"]) for comment in comments)


@pytest.mark.parametrize("size", [0, 1, 19, 20])
def test_small_accounts(size: int) -> None:
    account = Account("tiny", size, seed=1)
    assert len(account) == size
    assert all(account.whole(i)[1] for i in range(1, size + 1))
    assert not account.present(0)
    assert not account.present(size + 1)
