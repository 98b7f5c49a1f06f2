"""Limits and faults of the sample Zendesk on a fake clock."""

from __future__ import annotations

import pytest

from streams.testing import VirtualClock
from ticketstream.local.sample.zendesk.faults import Fault, Faults
from ticketstream.local.sample.zendesk.limits import Limits


def headers_of(limits: Limits, bucket: str = "general") -> dict[bytes, bytes]:
    return dict(limits.take(bucket)[1])  # type: ignore[arg-type]


def test_the_account_is_refused_beyond_its_limit_until_the_minute_is_over() -> None:
    clock = VirtualClock()
    limits = Limits(3, 10, clock=clock.clock)
    clock.now += 0.5
    assert [limits.take("general")[0] for _ in range(4)] == [None, None, None, "general"]
    headers = headers_of(limits)
    assert headers[b"retry-after"] == headers[b"ratelimit-reset"] == b"60"
    assert headers[b"x-rate-limit"] == headers[b"ratelimit-limit"] == b"3"
    assert headers[b"x-rate-limit-remaining"] == b"0"
    clock.now += 59.4
    assert limits.take("general")[0] == "general"
    clock.now += 0.2
    assert limits.take("general")[0] is None
    assert limits.buckets["general"].breaches == 3


def test_an_endpoint_counts_in_its_own_bucket_and_in_the_accounts() -> None:
    clock = VirtualClock()
    limits = Limits(5, 2, clock=clock.clock)
    assert [limits.take("incremental")[0] for _ in range(3)] == [None, None, "incremental"]
    assert headers_of(limits)[b"x-rate-limit-remaining"] == b"2"
    told = headers_of(limits, "incremental")[b"zendesk-ratelimit-incremental-exports"]
    assert told == b"total=2; remaining=0; resets=60"


def test_deleted_tickets_have_ten_calls_a_minute() -> None:
    limits = Limits(100, 100, clock=VirtualClock().clock)
    assert [limits.take("deleted")[0] for _ in range(11)] == [None] * 10 + ["deleted"]


@pytest.mark.parametrize("scale", [1, 10, 60, 600])
def test_whoever_waits_as_told_is_let_in(scale: float) -> None:
    clock = VirtualClock()
    limits = Limits(1, 10, time_scale=scale, clock=clock.clock)
    clock.now += 0.0123 / scale
    for _ in range(5):
        assert limits.take("general")[0] is None
        wait = float(headers_of(limits)[b"retry-after"])
        assert 0 < wait <= 60 / scale + 1
        clock.now += wait


def test_limits_change_at_once_and_can_be_switched_off() -> None:
    limits = Limits(1, 1, clock=VirtualClock().clock)
    limits.take("general")
    limits.change(requests_per_minute=2)
    assert [limits.take("general")[0] for _ in range(3)] == [None, None, "general"]
    limits.change(enabled=False)
    assert [limits.take("incremental")[0] for _ in range(5)] == [None] * 5


def test_a_fault_strikes_its_path_as_often_as_told() -> None:
    faults = Faults()
    faults.set([Fault(kind="error", path="comments", count=2)])
    struck = [faults.choose(path) for path in ("/a/comments", "/b", "/c/comments", "/d/comments")]
    assert [fault is not None for fault in struck] == [True, False, True, False]
    assert faults.as_list()[0]["struck"] == 2


def test_a_fault_ends_with_its_time() -> None:
    clock = VirtualClock()
    faults = Faults(clock=clock.clock)
    faults.set([Fault(kind="rate_limit", seconds=5)])
    assert faults.choose("/x")
    clock.now += 5
    assert faults.choose("/x") is None


def test_a_fault_strikes_with_its_probability_and_gives_way_to_the_next() -> None:
    faults = Faults(seed=3)
    faults.set([Fault(kind="drop", probability=0.3), Fault(kind="html", path="never")])
    struck = sum(faults.choose("/x") is not None for _ in range(2_000))
    assert 500 < struck < 700
    with pytest.raises(ValueError, match="no regular expression"):
        faults.set([Fault(kind="drop", path="(")])
    assert faults.active
    faults.set([])
    assert not faults.active
