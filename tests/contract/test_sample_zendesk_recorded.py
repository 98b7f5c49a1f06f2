"""The sample Zendesk's answers, held against answers recorded from real accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ticketstream.local.sample.zendesk import DEFAULT_OAUTH_TOKEN
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options
from ticketstream.local.sample.zendesk.webhooks import event_body

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "zendesk-recorded"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not here")

FREE = {
    "source",
    "photo",
    "satisfaction_rating",
    "user_fields",
    "metadata",
    "execution",
    "conditions",
    "restriction",
}
"""Parts that differ from one record to the next."""


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())["response"]
    return found


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    with (
        SampleZendesk(Options(tickets=300, seed=4)) as zendesk,
        httpx.Client(
            base_url=f"{zendesk.base_url}/api/v2",
            headers={"Authorization": f"Bearer {DEFAULT_OAUTH_TOKEN}"},
        ) as client,
    ):
        yield client


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def differences(real: Any, ours: Any, path: str = "") -> list[str]:
    """Fields that one side has and the other has not, and values of another type; null fits all."""
    if real is None or ours is None:
        return []
    if kind(real) != kind(ours):
        return [f"{path}: {kind(real)} became {kind(ours)}"]
    if isinstance(real, dict):
        found = [f"{path}.{name} is missing" for name in real.keys() - ours.keys()]
        found += [f"{path}.{name} is invented" for name in ours.keys() - real.keys()]
        for name in (real.keys() & ours.keys()) - FREE:
            found += differences(real[name], ours[name], f"{path}.{name}")
        return found
    if isinstance(real, list) and real and ours:
        return differences(real[0], ours[0], f"{path}[]")
    return []


def test_the_comparison_sees_a_difference() -> None:
    real = {"a": [{"b": 1, "c": None}], "d": True}
    assert differences(real, {"a": [{"b": 2, "c": "x"}], "d": False}) == []
    assert len(differences(real, {"a": [{"b": "2", "e": 1}], "d": 0})) == 4


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("get-tickets_id-200", "/tickets/1.json"),
        ("get-tickets_1-200", "/tickets/1.json"),
        ("get-tickets_show_many-200", "/tickets/show_many.json?ids=1,2"),
        ("get-views_id_tickets-200", "/views/6130830360730/tickets.json?page[size]=2"),
        ("get-users_id-200", "/users/me.json"),
        ("get-users_me-200", "/users/me.json"),
        ("get-users_show_many-200", "/users/show_many.json?ids=6130907990018"),
        ("get-incremental_users_cursor-200", "/incremental/users/cursor.json?start_time=0&per_page=1"),
        ("get-organizations_show_many-200", "/organizations/show_many.json?ids=6130869150090"),
        ("get-groups-200", "/groups.json?page[size]=100"),
        ("get-views-200", "/views.json?page[size]=100"),
        ("get-views_id_count-200", "/views/6130830360730/count.json"),
    ],
)
def test_an_answer_has_the_recorded_shape(api: httpx.Client, name: str, path: str) -> None:
    real = recorded(name)
    answer = api.get(path)
    assert answer.status_code == real["status"]
    assert answer.headers["content-type"] == real["headers"]["Content-Type"][0]
    told = differences(real["body"], answer.json())
    # Only /users/me shows the token of the session.
    assert [one for one in told if one != ".user.authenticity_token is invented"] == []


def test_comments_have_the_recorded_shape(api: httpx.Client) -> None:
    real = recorded("get-tickets_id_comments-200")["body"]
    found = [
        c for i in range(1, 60) for c in api.get(f"/tickets/{i}/comments.json").json().get("comments", [])
    ]
    with_file = next(comment for comment in found if comment["attachments"])
    page = api.get("/tickets/1/comments.json?page[size]=100").json()
    assert differences(real, page) == []
    assert differences(real["comments"][0], with_file) == []


def test_brands_have_the_recorded_shape(api: httpx.Client) -> None:
    assert (
        differences(
            recorded("get-brands_id-200")["body"]["brand"], api.get("/brands.json").json()["brands"][0]
        )
        == []
    )


def test_the_ticket_export_is_built_like_the_recorded_user_export(api: httpx.Client) -> None:
    real = recorded("get-incremental_users_cursor-200")["body"]
    ours = api.get("/incremental/tickets/cursor.json?start_time=0&per_page=1").json()
    del real["users"]
    rows = ours.pop("tickets")
    assert differences(real, ours) == []
    row = recorded("get-tickets_id-200")["body"]["ticket"]
    assert differences(row, rows[0]) == [".generated_timestamp is invented"]


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("delete-tickets_id-404", "DELETE", "/tickets/9223372036854775807.json"),
        ("put-tickets_id-404", "PUT", "/tickets/9223372036854775807.json"),
        ("put-deleted_tickets_id_restore-404", "PUT", "/deleted_tickets/1/restore.json"),
        ("put-tickets_id-404", "GET", "/tickets/5/comments.json"),
        ("put-views_id-404", "GET", "/views/9223372036854775807/tickets.json"),
    ],
)
def test_what_is_not_there_is_refused_as_recorded(
    api: httpx.Client, name: str, method: str, path: str
) -> None:
    answer = api.request(method, path, json={"ticket": {"subject": "x"}})
    assert (answer.status_code, answer.json()) == (404, recorded(name)["body"])


def test_too_many_values_are_refused_as_recorded(api: httpx.Client) -> None:
    real = recorded("post-tickets_create_many-400")["body"]
    for path in ("/tickets", "/users", "/organizations"):
        answer = api.get(f"{path}/show_many.json", params={"ids": ",".join(map(str, range(1, 102)))})
        assert answer.status_code == 400
        assert answer.json().keys() == real.keys()
        assert answer.json()["error"] == real["error"]
        assert answer.json()["max_count"] == 100


def test_the_limit_headers_are_those_recorded(api: httpx.Client) -> None:
    real = recorded("get-tickets_id_comments-200")["headers"]
    ours = api.get("/tickets/1/comments.json").headers
    for name in (
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-rate-limit",
        "x-rate-limit-remaining",
    ):
        assert name in real
        assert ours[name].isdecimal()


def test_a_webhook_is_built_like_a_recorded_delivery() -> None:
    from ticketstream.local.sample.zendesk.account import Account
    from ticketstream.local.sample.zendesk.events import Event

    (path,) = RECORDED.glob("get-webhooks_*_attempts-20*.json")
    attempts = json.loads(path.read_text())["response"]["body"]["attempts"]
    delivered = json.loads(next(a["request"]["payload"] for a in attempts if "request" in a))
    row = Account("acme", 5, 1).row(1)
    ours = event_body(Event("soft_deleted", 1_790_000_000, 1, row, {}))
    assert ours.keys() == delivered.keys()
    assert ours["zendesk_event_version"] == delivered["zendesk_event_version"]
    assert delivered["type"].startswith("zen:event-type:")
    assert isinstance(ours["detail"]["id"], type(delivered["detail"]["id"]))
