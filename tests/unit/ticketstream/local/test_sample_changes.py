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


class SampleBench:
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
def bench() -> SampleBench:
    return SampleBench()


def refused(error: pytest.ExceptionInfo[ApiError]) -> tuple[int, str]:
    return error.value.status, error.value.body["error"]


def test_a_comment_is_added_and_moves_the_ticket(bench: SampleBench) -> None:
    ticket = bench.open[0]
    before = bench.account.row(ticket)
    count = len(bench.comments(ticket))
    bench.changes.update(ticket, {"comment": {"body": "Now <b>this</b>\n\nMore", "public": False}})
    comment = bench.comments(ticket)[-1]
    assert len(bench.comments(ticket)) == count + 1
    assert comment["public"] is False
    assert comment["html_body"].count("<p ") == 2
    assert "&lt;b&gt;" in comment["html_body"]
    assert bench.account.row(ticket)["updated_at"] > before["updated_at"]
    assert bench.last_exported() == ticket
    assert bench.told() == ["comment_added"]
    assert bench.events[0].change["comment"]["is_public"] is False


def test_an_html_comment_has_its_text_as_body(bench: SampleBench) -> None:
    ticket = bench.open[0]
    bench.changes.update(ticket, {"comment": {"html_body": "<p>One &amp; two</p><p>three</p>"}})
    comment = bench.comments(ticket)[-1]
    assert comment["body"] == "One & two\nthree"
    assert "<p>three</p>" in comment["html_body"]
    assert comment["public"] is True


def test_fields_change_and_each_is_told(bench: SampleBench) -> None:
    ticket, people = bench.open[0], bench.account.people
    wanted = {
        "status": "hold" if bench.account.row(ticket)["status"] != "hold" else "open",
        "subject": "Another subject",
        "tags": ["b", "A", "b"],
        "organization_id": people.organization_id(4),
        "brand_id": people.brand_id(2 if bench.account.row(ticket)["brand_id"] != people.brand_id(2) else 1),
    }
    row = bench.changes.update(ticket, wanted)
    assert {name: row[name] for name in wanted} == wanted | {"tags": ["a", "b"]}
    assert row["raw_subject"] == "Another subject"
    assert {"status_changed", "subject_changed", "tags_changed", "brand_changed"} <= set(bench.told())
    status = next(event for event in bench.events if event.name == "status_changed")
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
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    bench: SampleBench, fields: dict[str, Any]
) -> None:
    ticket = bench.open[0]
    before = bench.account.whole(ticket)
    with pytest.raises(ApiError) as error:
        bench.changes.update(ticket, fields)
    assert refused(error) == (422, "RecordInvalid")
    assert bench.account.whole(ticket) == before
    assert bench.events == []


def test_a_closed_ticket_cannot_be_changed_but_deleted(bench: SampleBench) -> None:
    closed = int(bench.account.ids("closed")[0])
    with pytest.raises(ApiError) as error:
        bench.changes.update(closed, {"comment": {"body": "x"}})
    assert refused(error) == (422, "RecordInvalid")
    bench.changes.delete(closed)
    assert bench.account.gone(closed) == "deleted"


def test_delete_restore_delete_for_good(bench: SampleBench) -> None:
    ticket = bench.open[0]
    before, comments = bench.account.whole(ticket)
    bench.changes.delete(ticket)
    assert bench.account.row(ticket)["status"] == "deleted"
    assert bench.account.removed(ticket)
    assert not bench.account.present(ticket)
    assert bench.last_exported() == ticket
    with pytest.raises(ApiError) as error:
        bench.changes.update(ticket, {"status": "open"})
    assert refused(error) == (404, "RecordNotFound")

    bench.changes.restore(ticket)
    assert bench.account.row(ticket)["status"] == before["status"]
    assert bench.account.whole(ticket)[1] == comments
    with pytest.raises(ApiError):
        bench.changes.restore(ticket)

    bench.changes.delete(ticket)
    bench.changes.purge(ticket)
    row, left = bench.account.whole(ticket)
    assert (row["subject"], row["description"], left) == ("SCRUBBED", "SCRUBBED", [])
    assert bench.account.gone(ticket) == "purged"
    with pytest.raises(ApiError):
        bench.changes.restore(ticket)
    assert bench.told() == ["soft_deleted", "undeleted", "soft_deleted", "permanently_deleted"]


def test_a_ticket_deleted_from_the_start_can_be_restored(bench: SampleBench) -> None:
    bench.changes.restore(5)
    assert bench.account.present(5)
    assert bench.account.row(5)["status"] in ("new", "open", "pending", "hold", "solved", "closed")


def test_spam_is_gone(bench: SampleBench) -> None:
    bench.changes.spam(bench.open[0])
    assert bench.account.gone(bench.open[0]) == "spam"
    assert bench.told() == ["marked_as_spam"]


def test_merging_closes_the_sources_and_tells_the_target(bench: SampleBench) -> None:
    target, first, second = bench.open[:3]
    merged = bench.changes.merge(target, {"ids": [first, second], "target_comment": "Took both"})
    assert merged == [first, second]
    for source in merged:
        row = bench.account.row(source)
        assert row["status"] == "closed"
        assert "closed_by_merge" in row["tags"]
        assert bench.account.present(source)
        assert not bench.account.removed(source)
        assert bench.account.merged_into(source) == target
        last = bench.comments(source)[-1]
        assert f"#{target}" in last["body"]
        assert last["via"]["source"]["from"]["ticket_id"] == target
        assert last["via"]["source"]["rel"] == "merge"
    took = bench.comments(target)[-2:]
    assert [comment["body"] for comment in took] == ["Took both", "Took both"]
    assert [comment["via"]["source"]["from"]["ticket_ids"] for comment in took] == [[first], [second]]
    assert bench.account.merged_into(target) is None
    assert bench.told().count("merged") == 2
    with pytest.raises(ApiError):
        bench.changes.merge(target, {"ids": [target]})
    with pytest.raises(ApiError):
        bench.changes.merge(target, {"ids": []})


def test_merging_copies_the_last_comment_only(bench: SampleBench) -> None:
    target, source = bench.open[:2]
    bench.changes.update(source, {"comment": {"body": "The very last words."}})
    bench.changes.merge(target, {"ids": [source]})
    copied = bench.comments(target)[-1]
    assert copied["body"].endswith("The very last words.")
    assert copied["public"] is False


def test_a_follow_up_inherits_all_tags(bench: SampleBench) -> None:
    target, source = bench.open[:2]
    fields = {"subject": "Again", "comment": {"body": "It is back"}, "via_followup_source_id": source}
    with pytest.raises(ApiError) as error:
        bench.changes.create(fields)
    assert refused(error)[0] == 422
    bench.changes.merge(target, {"ids": [source]})
    row = bench.changes.create({**fields, "tags": ["new"]})
    assert set(row["tags"]) == {*bench.account.row(source)["tags"], "new"}
    assert "closed_by_merge" in row["tags"]
    assert row["via"]["source"]["rel"] == "follow_up"
    assert bench.account.row(source)["followup_ids"] == [row["id"]]
    assert bench.account.merged_into(row["id"]) is None


def test_private_and_redacted(bench: SampleBench) -> None:
    ticket = bench.open[0]
    bench.changes.update(ticket, {"comment": {"body": "card 4111 & more\n\nend", "public": True}})
    comment = bench.comments(ticket)[-1]["id"]
    bench.changes.make_private(ticket, comment)
    assert bench.comments(ticket)[-1]["public"] is False
    bench.changes.redact(ticket, comment, "4111 & more")
    found = bench.comments(ticket)[-1]
    for form in ("body", "plain_body", "html_body"):
        assert "4111" not in found[form]
        assert "▇" * 11 in found[form]
    with pytest.raises(ApiError) as error:
        bench.changes.redact(ticket, comment, "not there")
    assert refused(error) == (422, "RecordInvalid")
    with pytest.raises(ApiError) as error:
        bench.changes.make_private(ticket, 1)
    assert refused(error) == (404, "RecordNotFound")
    assert bench.told()[1:] == ["comment_made_private", "comment_redacted"]


def test_redacting_the_first_comment_redacts_the_description(bench: SampleBench) -> None:
    row = bench.changes.create({"subject": "s", "comment": {"body": "my secret word"}})
    bench.changes.redact(row["id"], bench.comments(row["id"])[0]["id"], "secret")
    assert bench.account.row(row["id"])["description"] == "my ▇▇▇▇▇▇ word"


def test_a_new_ticket(bench: SampleBench) -> None:
    user = bench.account.people.user_id(bench.account.people.agents + 1)
    row = bench.changes.create(
        {"subject": "Fresh", "requester_id": user, "comment": {"body": "Hi"}, "tags": ["x"]}
    )
    assert (row["id"], row["status"], row["description"]) == (41, "new", "Hi")
    assert row["organization_id"] is not None
    assert bench.last_exported() == 41
    assert bench.told() == ["created"]
    assert 41 in bench.account.ids("new")
    with pytest.raises(ApiError):
        bench.changes.create({"subject": "no comment"})
    assert len(bench.account) == 41


def test_a_clock_that_steps_back_moves_no_change_back(bench: SampleBench) -> None:
    bench.changes.update(bench.open[0], {"subject": "a"})
    bench.second -= 5_000
    bench.changes.update(bench.open[1], {"subject": "b"})
    assert bench.account.generated_timestamp(bench.open[1]) >= bench.account.generated_timestamp(
        bench.open[0]
    )


def test_a_thread_of_thousands_is_made_as_it_is_read(bench: SampleBench) -> None:
    ticket = bench.open[0]
    own = list(bench.comments(ticket))
    bench.changes.lengthen(ticket, 5_000, 900)
    thread = bench.account.whole(ticket)[1]
    assert (len(thread), list(thread[: len(own)])) == (5_000, own)
    shown = thread[4_900:5_000]
    assert [comment["id"] for comment in shown] == [shown[0]["id"] + number for number in range(100)]
    assert {len(comment["body"]) for comment in shown} == {900}
    assert len({comment["body"] for comment in shown}) == 100
    assert {comment["public"] for comment in shown} == {True, False}
    assert shown == thread[-100:]
    assert bench.last_exported() == ticket
    bench.changes.update(ticket, {"comment": "One more"})
    assert len(bench.account.whole(ticket)[1]) == 5_001
    bench.changes.lengthen(ticket, 3, 1)
    assert len(bench.account.whole(ticket)[1]) == 3
