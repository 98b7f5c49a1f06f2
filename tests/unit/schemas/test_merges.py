"""What a ``via`` says of a merge, and that nothing else of it travels on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.codec import encode
from schemas.merges import target_of_via
from schemas.messages.tickets import TicketFacts
from schemas.testing import FACTS, a_ticket
from schemas.zendesk import Comment
from schemas.zendesk_rows import comment_of
from streams.transforms.whole_ticket import merged_by_comment


def via(origin: Any, rel: Any = "merge", channel: Any = "web") -> dict[str, Any]:
    return {"channel": channel, "source": {"from": origin, "to": {}, "rel": rel}}


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (via({"ticket_id": 45, "subject": "S", "channel": "email"}), 45),
        (via({"ticket_id": "45"}), 45),
        (via({"ticket_id": 45}, rel=None, channel="merge"), 45),
        (via({"ticket_id": 45}, rel=None, channel=19), 45),
        # The target of a merge names those that were merged.
        (via({"ticket_id": None, "ticket_ids": [1, 2]}), None),
        (via({"ticket_id": 45, "ticket_ids": [1, 2]}), None),
        # A follow-up and an incident name another ticket as well.
        (via({"ticket_id": 45}, rel="follow_up"), None),
        (via({"ticket_id": 45}, rel="problem", channel="linked_problem"), None),
        (via({"address": "pat@example.org"}, rel=None, channel="email"), None),
        # Nothing of this is what Zendesk describes.
        *((each, None) for each in (None, "Merge", 19, [], {}, {"channel": "merge"}, {"source": "merge"})),
        *((via(each), None) for each in (None, [], "45", {}, {"ticket_id": None}, {"ticket_id": True})),
        *(
            (via({"ticket_id": each}), None)
            for each in (0, -1, 2**64, 4.5, "", "x", "-1", "٤٥", [45], "9" * 99)
        ),
        *((via({"ticket_id": 45}, rel=each), None) for each in (True, 1, ["merge"], {"merge": 1})),
    ],
)
def test_the_target_of_a_merge(given: Any, target: int | None) -> None:
    assert target_of_via(given) == target
    row = {"id": 1, "public": True, "via": given}
    assert comment_of(msgspec.json.encode(row)).merged_into == target


def test_only_the_target_of_a_comment_s_via_travels_on() -> None:
    plain = b'{"id":1,"public":true,"via":{"channel":"email","source":{"from":{"address":"a@b.c"}}}}'
    assert encode(comment_of(plain)) == b'{"id":1,"public":true}'
    merged = comment_of(encode({"id": 1, "public": True, "via": via({"ticket_id": 45})}))
    assert encode(merged) == b'{"id":1,"public":true,"merged_into":45}'
    assert msgspec.json.decode(encode(merged), type=Comment) == merged


def test_an_ordinary_ticket_s_facts_are_as_they_ever_were() -> None:
    assert b"merged_into" not in encode(FACTS)
    assert msgspec.json.decode(encode(FACTS), type=TicketFacts).merged_into == 0


def test_the_newest_merge_of_a_closed_ticket_counts() -> None:
    comments = [
        Comment(id=2, public=True, created_at="2024-01-03T00:00:00Z", merged_into=45),
        Comment(id=1, public=True, created_at="2024-01-02T00:00:00Z", merged_into=44),
        Comment(id=3, public=True, created_at="2024-01-04T00:00:00Z", body="merged into request #46"),
    ]
    assert merged_by_comment(a_ticket(status="closed"), comments) == 45
    assert merged_by_comment(a_ticket(status="solved"), comments) == 0
    assert merged_by_comment(a_ticket(45, status="closed"), comments) == 44
    assert merged_by_comment(a_ticket(status="closed"), comments[2:]) == 0
