"""Live changes of tickets: what they do to the ticket, the export's order and the events told."""

from __future__ import annotations

from typing import Any

import pytest

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.changes import Changes
from ticketstream.local.sample.zendesk.events import Event
from ticketstream.local.sample.zendesk.order import unkey
from ticketstream.local.sample.zendesk.responses import ApiError
from ticketstream.local.sample.zendesk.shape import END


class Desk:
    """An account of 40 tickets whose clock ticks a second with every look."""

    def __init__(self) -> None:
        self.second = END + 10_000.0
        self.account = Account("acme", 40, seed=2, clock=self.clock)
        self.events: list[Event] = []
        self.changes = Changes(self.account, self.events.append)
        self.open = [
            i
            for i in self.account.ids("new", "open", "pending", "hold", "solved").tolist()
            if i not in (3, 17)
        ]

    def clock(self) -> float:
        self.second += 1
        return self.second

    def told(self) -> list[str]:
        return [event.name for event in self.events]

    def last_exported(self) -> int:
        places, _ = self.account.order.after(0, 100, int(self.second) + 10)
        assert len(places) == len(self.account)
        return unkey(places[-1])[1]

    def comments(self, ticket_id: int) -> list[dict[str, Any]]:
        return list(self.account.whole(ticket_id)[1])


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refused(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str]:
    return error.value.status, error.value.body["error"]


def test_a_comment_is_added_and_moves_the_ticket(desk: Desk) -> None:
    ticket = desk.open[0]
    before = desk.account.row(ticket)
    count = len(desk.comments(ticket))
    desk.changes.update(ticket, {"comment": {"body": "Now <b>this</b>\n\nMore", "public": False}})
    comment = desk.comments(ticket)[-1]
    assert len(desk.comments(ticket)) == count + 1
    assert comment["public"] is False
    assert comment["html_body"].count("<p ") == 2
    assert "&lt;b&gt;" in comment["html_body"]
    assert desk.account.row(ticket)["updated_at"] > before["updated_at"]
    assert desk.last_exported() == ticket
    assert desk.told() == ["comment_added"]
    assert desk.events[0].change["comment"]["is_public"] is False


def test_an_html_comment_has_its_text_as_body(desk: Desk) -> None:
    ticket = desk.open[0]
    desk.changes.update(ticket, {"comment": {"html_body": "<p>One &amp; two</p><p>three</p>"}})
    comment = desk.comments(ticket)[-1]
    assert comment["body"] == "One & two\nthree"
    assert "<p>three</p>" in comment["html_body"]
    assert comment["public"] is True


def test_fields_change_and_each_is_told(desk: Desk) -> None:
    ticket, people = desk.open[0], desk.account.people
    wanted = {
        "status": "hold" if desk.account.row(ticket)["status"] != "hold" else "open",
        "subject": "Another subject",
        "tags": ["b", "A", "b"],
        "organization_id": people.organization_id(4),
        "brand_id": people.brand_id(2 if desk.account.row(ticket)["brand_id"] != people.brand_id(2) else 1),
    }
    row = desk.changes.update(ticket, wanted)
    assert {name: row[name] for name in wanted} == wanted | {"tags": ["a", "b"]}
    assert row["raw_subject"] == "Another subject"
    assert {"status_changed", "subject_changed", "tags_changed", "brand_changed"} <= set(desk.told())
    status = next(event for event in desk.events if event.name == "status_changed")
    assert status.change["current"] == wanted["status"].upper()


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "done"},
        {"priority": "highest"},
        {"assignee_id": 5},
        {"organization_id": "x"},
        {"brand_id": None},
        {"comment": {"public": True}},
        {"comment": {"body": "x", "author_id": 1}},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(desk: Desk, fields: dict[str, Any]) -> None:
    ticket = desk.open[0]
    before = desk.account.whole(ticket)
    with pytest.raises(ApiError) as error:
        desk.changes.update(ticket, fields)
    assert refused(error) == (422, "RecordInvalid")
    assert desk.account.whole(ticket) == before
    assert desk.events == []


def test_a_closed_ticket_cannot_be_changed_but_deleted(desk: Desk) -> None:
    closed = int(desk.account.ids("closed")[0])
    with pytest.raises(ApiError) as error:
        desk.changes.update(closed, {"comment": {"body": "x"}})
    assert refused(error) == (422, "RecordInvalid")
    desk.changes.delete(closed)
    assert desk.account.gone(closed) == "deleted"


def test_delete_restore_delete_for_good(desk: Desk) -> None:
    ticket = desk.open[0]
    before, comments = desk.account.whole(ticket)
    desk.changes.delete(ticket)
    assert desk.account.row(ticket)["status"] == "deleted"
    assert desk.account.removed(ticket)
    assert not desk.account.present(ticket)
    assert desk.last_exported() == ticket
    with pytest.raises(ApiError) as error:
        desk.changes.update(ticket, {"status": "open"})
    assert refused(error) == (404, "RecordNotFound")

    desk.changes.restore(ticket)
    assert desk.account.row(ticket)["status"] == before["status"]
    assert desk.account.whole(ticket)[1] == comments
    with pytest.raises(ApiError):
        desk.changes.restore(ticket)

    desk.changes.delete(ticket)
    desk.changes.purge(ticket)
    row, left = desk.account.whole(ticket)
    assert (row["subject"], row["description"], left) == ("SCRUBBED", "SCRUBBED", [])
    assert desk.account.gone(ticket) == "purged"
    with pytest.raises(ApiError):
        desk.changes.restore(ticket)
    assert desk.told() == ["soft_deleted", "undeleted", "soft_deleted", "permanently_deleted"]


def test_a_ticket_deleted_from_the_start_can_be_restored(desk: Desk) -> None:
    desk.changes.restore(5)
    assert desk.account.present(5)
    assert desk.account.row(5)["status"] in ("new", "open", "pending", "hold", "solved", "closed")


def test_spam_is_gone(desk: Desk) -> None:
    desk.changes.spam(desk.open[0])
    assert desk.account.gone(desk.open[0]) == "spam"
    assert desk.told() == ["marked_as_spam"]


def test_merging_closes_the_sources_and_tells_the_target(desk: Desk) -> None:
    target, first, second = desk.open[:3]
    merged = desk.changes.merge(target, {"ids": [first, second], "target_comment": "Took both"})
    assert merged == [first, second]
    for source in merged:
        row = desk.account.row(source)
        assert row["status"] == "closed"
        assert "closed_by_merge" in row["tags"]
        assert desk.account.present(source)
        assert not desk.account.removed(source)
        assert desk.account.merged_into(source) == target
        last = desk.comments(source)[-1]
        assert f"#{target}" in last["body"]
        assert last["via"]["source"]["from"]["ticket_id"] == target
        assert last["via"]["source"]["rel"] == "merge"
    took = desk.comments(target)[-2:]
    assert [comment["body"] for comment in took] == ["Took both", "Took both"]
    assert [comment["via"]["source"]["from"]["ticket_ids"] for comment in took] == [[first], [second]]
    assert desk.account.merged_into(target) is None
    assert desk.told().count("merged") == 2
    with pytest.raises(ApiError):
        desk.changes.merge(target, {"ids": [target]})
    with pytest.raises(ApiError):
        desk.changes.merge(target, {"ids": []})


def test_merging_copies_the_last_comment_only(desk: Desk) -> None:
    target, source = desk.open[:2]
    desk.changes.update(source, {"comment": {"body": "The very last words."}})
    desk.changes.merge(target, {"ids": [source]})
    copied = desk.comments(target)[-1]
    assert copied["body"].endswith("The very last words.")
    assert copied["public"] is False


def test_a_follow_up_inherits_all_tags(desk: Desk) -> None:
    target, source = desk.open[:2]
    fields = {"subject": "Again", "comment": {"body": "It is back"}, "via_followup_source_id": source}
    with pytest.raises(ApiError) as error:
        desk.changes.create(fields)
    assert refused(error)[0] == 422
    desk.changes.merge(target, {"ids": [source]})
    row = desk.changes.create({**fields, "tags": ["new"]})
    assert set(row["tags"]) == {*desk.account.row(source)["tags"], "new"}
    assert "closed_by_merge" in row["tags"]
    assert row["via"]["source"]["rel"] == "follow_up"
    assert desk.account.row(source)["followup_ids"] == [row["id"]]
    assert desk.account.merged_into(row["id"]) is None


def test_private_and_redacted(desk: Desk) -> None:
    ticket = desk.open[0]
    desk.changes.update(ticket, {"comment": {"body": "card 4111 & more\n\nend", "public": True}})
    comment = desk.comments(ticket)[-1]["id"]
    desk.changes.make_private(ticket, comment)
    assert desk.comments(ticket)[-1]["public"] is False
    desk.changes.redact(ticket, comment, "4111 & more")
    found = desk.comments(ticket)[-1]
    for form in ("body", "plain_body", "html_body"):
        assert "4111" not in found[form]
        assert "▇" * 11 in found[form]
    with pytest.raises(ApiError) as error:
        desk.changes.redact(ticket, comment, "not there")
    assert refused(error) == (422, "RecordInvalid")
    with pytest.raises(ApiError) as error:
        desk.changes.make_private(ticket, 1)
    assert refused(error) == (404, "RecordNotFound")
    assert desk.told()[1:] == ["comment_made_private", "comment_redacted"]


def test_redacting_the_first_comment_redacts_the_description(desk: Desk) -> None:
    row = desk.changes.create({"subject": "s", "comment": {"body": "my secret word"}})
    desk.changes.redact(row["id"], desk.comments(row["id"])[0]["id"], "secret")
    assert desk.account.row(row["id"])["description"] == "my ▇▇▇▇▇▇ word"


def test_a_new_ticket(desk: Desk) -> None:
    user = desk.account.people.user_id(desk.account.people.agents + 1)
    row = desk.changes.create(
        {"subject": "Fresh", "requester_id": user, "comment": {"body": "Hi"}, "tags": ["x"]}
    )
    assert (row["id"], row["status"], row["description"]) == (41, "new", "Hi")
    assert row["organization_id"] is not None
    assert desk.last_exported() == 41
    assert desk.told() == ["created"]
    assert 41 in desk.account.ids("new")
    with pytest.raises(ApiError):
        desk.changes.create({"subject": "no comment"})
    assert len(desk.account) == 41


def test_a_clock_that_steps_back_moves_no_change_back(desk: Desk) -> None:
    desk.changes.update(desk.open[0], {"subject": "a"})
    desk.second -= 5_000
    desk.changes.update(desk.open[1], {"subject": "b"})
    assert desk.account.generated_timestamp(desk.open[1]) >= desk.account.generated_timestamp(desk.open[0])


def test_a_thread_of_thousands_is_made_as_it_is_read(desk: Desk) -> None:
    ticket = desk.open[0]
    own = list(desk.comments(ticket))
    desk.changes.lengthen(ticket, 5_000, 900)
    thread = desk.account.whole(ticket)[1]
    assert (len(thread), list(thread[: len(own)])) == (5_000, own)
    shown = thread[4_900:5_000]
    assert [comment["id"] for comment in shown] == [shown[0]["id"] + number for number in range(100)]
    assert {len(comment["body"]) for comment in shown} == {900}
    assert len({comment["body"] for comment in shown}) == 100
    assert {comment["public"] for comment in shown} == {True, False}
    assert shown == thread[-100:]
    assert desk.last_exported() == ticket
    desk.changes.update(ticket, {"comment": "One more"})
    assert len(desk.account.whole(ticket)[1]) == 5_001
    desk.changes.lengthen(ticket, 3, 1)
    assert len(desk.account.whole(ticket)[1]) == 3
