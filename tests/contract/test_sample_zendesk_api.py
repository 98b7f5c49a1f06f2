"""The sample Zendesk over HTTP: what a client meets, and what steers it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from schemas.zendesk_pages import COMMENTS_PAGE, EXPORT_PAGE, GROUPS_PAGE, ORGANIZATIONS, USERS
from schemas.zendesk_rows import ticket_of
from ticketstream.local.sample.zendesk import DEFAULT_API_TOKEN, DEFAULT_EMAIL, DEFAULT_OAUTH_TOKEN
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.local.sample.zendesk.faults import Fault
from ticketstream.local.sample.zendesk.running import SampleZendesk
from ticketstream.local.sample.zendesk.server import Options
from ticketstream.local.sample.zendesk.shape import END
from ticketstream.local.sample.zendesk.webhooks import Hook, sign

EXPORT = "/api/v2/incremental/tickets/cursor.json"


def client_of(zendesk: SampleZendesk, token: str = DEFAULT_OAUTH_TOKEN) -> httpx.Client:
    return httpx.Client(base_url=zendesk.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=5)


@pytest.fixture(scope="module")
def shared() -> Iterator[SampleZendesk]:
    """An account nobody changes."""
    with SampleZendesk(Options(tickets=1_200, seed=9, limits=False)) as zendesk:
        yield zendesk


@pytest.fixture(scope="module")
def api(shared: SampleZendesk) -> Iterator[httpx.Client]:
    with client_of(shared) as client:
        yield client


@pytest.fixture
def zendesk() -> Iterator[SampleZendesk]:
    """A small account of one test; its export shows every second that is over."""
    with SampleZendesk(Options(tickets=40, seed=2, limits=False, export_delay=0)) as zendesk:
        yield zendesk


@pytest.fixture
def live(zendesk: SampleZendesk) -> Iterator[httpx.Client]:
    with client_of(zendesk) as client:
        yield client


def walk(api: httpx.Client, start: int = 0, **parameters: Any) -> Iterator[dict[str, Any]]:
    query: dict[str, Any] = {"start_time": start, **parameters}
    while True:
        page = api.get(EXPORT, params=query).raise_for_status().json()
        yield page
        if page["end_of_stream"]:
            return
        query = {"cursor": page["after_cursor"], **parameters}


def writable(zendesk: SampleZendesk, count: int = 1) -> list[int]:
    rows = (line for line in zendesk.control.truth() if not line["removed"])
    return [line["id"] for line in rows if line["ticket"]["status"] != "closed" and line["comments"]][:count]


def after_this_second() -> None:
    """Until the second now running is over; the export shows whole seconds only."""
    time.sleep(1.02 - time.time() % 1)


# The export.


def test_the_export_holds_every_ticket_of_the_account(shared: SampleZendesk, api: httpx.Client) -> None:
    pages = list(walk(api, per_page=100))
    rows = [row for page in pages for row in page["tickets"]]
    truth = {line["id"]: line for line in shared.control.truth()}
    assert {row["id"] for row in rows} == set(truth)
    assert len(rows) > len(truth), "some rows are repeated"
    for row in rows:
        line = truth[row["id"]]
        assert row == line["ticket"] | {"generated_timestamp": line["generated_timestamp"]}
    assert {row["id"] for row in rows if row["status"] == "deleted"} == {
        i for i, line in truth.items() if line["gone"]
    }
    assert all(page["after_cursor"] for page in pages)
    assert Counter(row["generated_timestamp"] for row in rows)[END] > 20


def test_the_types_of_the_client_read_every_answer(api: httpx.Client) -> None:
    raw = api.get(EXPORT, params={"start_time": 0}).content
    page = EXPORT_PAGE.decode(raw)
    tickets = [ticket_of(row) for row in page.tickets]
    assert len(tickets) == 1_000
    assert all(ticket.generated_timestamp for ticket in tickets)
    comments = api.get("/api/v2/tickets/7/comments.json?page[size]=100&include=users").content
    read = COMMENTS_PAGE.decode(comments)
    assert read.paging.has_more
    assert {comment.author_id for comment in read.comments} == {user.id for user in read.users}
    users = api.get(f"/api/v2/users/show_many.json?ids={tickets[0].requester_id}").content
    assert USERS.decode(users)[0].name
    organization = next(ticket.organization_id for ticket in tickets if ticket.organization_id)
    found = api.get(f"/api/v2/organizations/show_many.json?ids={organization}").content
    assert ORGANIZATIONS.decode(found).rows[0].id == organization
    groups = api.get("/api/v2/groups.json?page[size]=100").content
    assert GROUPS_PAGE.decode(groups).rows[0].name == "Support"


def test_the_export_can_bring_people_along(api: httpx.Client) -> None:
    page = api.get(
        EXPORT, params={"start_time": 0, "per_page": 50, "include": "users,organizations,groups"}
    ).json()
    assert {row["requester_id"] for row in page["tickets"]} <= {user["id"] for user in page["users"]}
    assert {row["organization_id"] for row in page["tickets"]} - {None} == {
        o["id"] for o in page["organizations"]
    }
    assert {row["group_id"] for row in page["tickets"]} == {group["id"] for group in page["groups"]}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({}, "MissingParameter"),
        ({"start_time": "now"}, "InvalidValue"),
        ({"cursor": "abc"}, "InvalidValue"),
        ({"start_time": "0", "per_page": "1001"}, "InvalidValue"),
        ({"start_time": "0", "per_page": "0"}, "InvalidValue"),
    ],
)
def test_the_export_refuses_what_makes_no_sense(api: httpx.Client, query: dict[str, str], error: str) -> None:
    answer = api.get(EXPORT, params=query)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("seconds", [60, -20])
def test_the_export_refuses_a_start_less_than_a_minute_back(api: httpx.Client, seconds: int) -> None:
    answer = api.get(EXPORT, params={"start_time": str(int(time.time()) + seconds)})
    assert (answer.status_code, answer.json()["error"]) == (400, "StartTimeTooRecent")


def test_the_event_export_holds_every_comment(shared: SampleZendesk, api: httpx.Client) -> None:
    start, found, pages = 0, [], 0
    while True:
        pages += 1
        page = api.get(
            f"/api/v2/incremental/ticket_events.json?start_time={start}&include=comment_events"
        ).json()
        found += [(event["ticket_id"], event["child_events"][0]) for event in page["ticket_events"]]
        start = page["end_time"]
        if page["end_of_stream"]:
            break
    expected = {
        c["id"]: c["body"] for line in shared.control.truth() if not line["gone"] for c in line["comments"]
    }
    assert {child["id"]: child["body"] for _, child in found} == expected
    # A page begins with the second the one before has ended with.
    assert 0 < len(found) - len(expected) < pages * 20


# Lists.


def test_comments_come_in_pages_of_a_hundred(shared: SampleZendesk, api: httpx.Client) -> None:
    expected = [comment["id"] for comment in shared.control.truth_of(7)["comments"]]
    assert len(expected) > 100
    url, found, calls = "/api/v2/tickets/7/comments.json?page%5Bsize%5D=100&include=users", [], 0
    while True:
        page = api.get(url).json()
        found += [comment["id"] for comment in page["comments"]]
        calls += 1
        url = page["links"]["next"]
        assert url, "links.next is there on the last page too, as recorded"
        if not page["meta"]["has_more"]:
            break
    assert found == expected
    assert calls == -(-len(expected) // 100)
    beyond = api.get(url).json()
    assert (beyond["comments"], beyond["meta"]["after_cursor"], beyond["links"]["next"]) == ([], None, None)
    back = api.get(page["links"]["prev"]).json()
    assert [comment["id"] for comment in back["comments"]] == expected[(calls - 2) * 100 : (calls - 1) * 100]


def test_without_a_page_size_comments_come_by_number(shared: SampleZendesk, api: httpx.Client) -> None:
    expected = [comment["id"] for comment in shared.control.truth_of(7)["comments"]]
    first = api.get("/api/v2/tickets/7/comments.json").json()
    assert first["count"] == len(expected)
    second = api.get(first["next_page"]).json()
    assert [c["id"] for c in first["comments"] + second["comments"]] == expected[:200]
    newest = api.get("/api/v2/tickets/7/comments.json?sort_order=desc&per_page=1").json()
    assert newest["comments"][0]["id"] == expected[-1]


@pytest.mark.parametrize(
    "path", ["/tickets", "/views/6130830360730/tickets", "/deleted_tickets", "/views", "/groups"]
)
def test_both_ways_through_a_list_show_the_same(api: httpx.Client, path: str) -> None:
    name = path.rsplit("/", 1)[1]
    by_cursor, url = [], f"/api/v2{path}.json?page[size]=100"
    while url:
        page = api.get(url).json()
        by_cursor += [row["id"] for row in page[name]]
        url = page["links"]["next"] if page["meta"]["has_more"] else None
    by_number, url = [], f"/api/v2{path}.json"
    while url:
        page = api.get(url).json()
        by_number += [row["id"] for row in page[name]]
        url = page["next_page"]
    assert by_cursor == by_number
    assert len(set(by_cursor)) == page["count"] > 0


@pytest.mark.parametrize(
    "path",
    [
        "/tickets/7/comments.json?page[size]=101",
        "/tickets/7/comments.json?page[size]=10&page[after]=zzz",
        "/tickets/7/comments.json?page[size]=10&page[after]=eyJvIjoiaWQiLCJ2IjoiMSJ9",
        "/groups.json?page=0",
        "/users/show_many.json?ids=a,b",
    ],
)
def test_a_wrong_page_is_refused(api: httpx.Client, path: str) -> None:
    answer = api.get(f"/api/v2{path}")
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidValue")


def test_count_users_and_deleted(shared: SampleZendesk, api: httpx.Client) -> None:
    gone = [line["id"] for line in shared.control.truth() if line["gone"]]
    assert api.get("/api/v2/tickets/count.json").json()["count"]["value"] == 1_200 - len(gone)
    assert [row["id"] for row in api.get("/api/v2/deleted_tickets.json").json()["deleted_tickets"]] == gone
    for ticket_id in (5, 13, 99_999):
        for end in (".json", "/comments.json"):
            answer = api.get(f"/api/v2/tickets/{ticket_id}{end}")
            assert (answer.status_code, answer.json()["error"]) == (404, "RecordNotFound")
    assert [
        row["id"] for row in api.get("/api/v2/tickets/show_many.json?ids=5,4,99999").json()["tickets"]
    ] == [4]
    query: dict[str, Any] = {"start_time": 0, "per_page": 150}
    users = []
    while True:
        page = api.get("/api/v2/incremental/users/cursor.json", params=query).json()
        users += [user["id"] for user in page["users"]]
        if page["end_of_stream"]:
            break
        query = {"cursor": page["after_cursor"], "per_page": 150}
    assert len(users) == len(set(users)) > 400


def test_the_export_file_holds_all_that_is_there(shared: SampleZendesk) -> None:
    lines = [json.loads(line) for line in shared.control.export()]
    truth = {line["id"]: line for line in shared.control.truth()}
    assert [line["id"] for line in lines] == [i for i, line in truth.items() if not line["gone"]]
    for line in lines[:50]:
        assert line["comments"] == truth[line["id"]]["comments"]
        assert line["requester"]["id"] == line["requester_id"]


# Login, limits, faults.


def test_who_has_no_login_gets_nothing(shared: SampleZendesk) -> None:
    refused = {"error": "Couldn't authenticate you"}
    basic = (f"{DEFAULT_EMAIL}/token", DEFAULT_API_TOKEN)
    with SampleZendesk(Options(tickets=1, email=DEFAULT_EMAIL, api_token=DEFAULT_API_TOKEN)) as zendesk:
        url = f"{zendesk.base_url}/api/v2/users/me.json"
        assert httpx.get(url, auth=basic).json()["user"]["role"] == "admin"
        for wrong in ((DEFAULT_EMAIL, DEFAULT_API_TOKEN), (f"{DEFAULT_EMAIL}/token", "x")):
            answer = httpx.get(url, auth=wrong)
            assert (answer.status_code, answer.json()) == (401, refused)
        assert httpx.get(url, headers={"Authorization": f"Bearer {DEFAULT_OAUTH_TOKEN}"}).status_code == 401
        assert httpx.get(url).json()["user"]["id"] is None, (
            "without any login, Zendesk shows an anonymous user"
        )
        assert httpx.get(f"{zendesk.base_url}/api/v2/tickets/1.json").json() == refused
    assert client_of(shared, "wrong").get(EXPORT).json()["error"] == "invalid_token"


def test_limits_refuse_tell_and_are_counted() -> None:
    options = Options(tickets=30, requests_per_minute=6, incremental_requests_per_minute=2, time_scale=60)
    with SampleZendesk(options) as zendesk, client_of(zendesk) as api:
        export = f"{EXPORT}?start_time=0"
        zendesk.control.set_limits(requests_per_minute=6)
        answers = [api.get(export) for _ in range(3)] + [api.get("/api/v2/groups.json") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 200, 200, 429]
        assert answers[2].json()["error"] == "APIRateLimitExceeded"
        assert "remaining=0" in answers[2].headers["zendesk-ratelimit-incremental-exports"]
        assert answers[7].headers["content-type"].startswith("text/plain")
        assert answers[7].headers["x-rate-limit-remaining"] == "0"
        wait = float(answers[7].headers["retry-after"])
        assert 0 < wait <= 1.01
        time.sleep(wait)
        assert api.get(export).status_code == 200
        stats = zendesk.control.stats()
        assert stats["rate_limited"] == {"incremental": 1, "general": 1}
        assert stats["endpoints"] == {"GET incremental/tickets/cursor": 4, "GET groups": 5}
        assert stats["buckets"] == {"general": 7, "incremental": 3}


def test_the_control_side_and_people_cost_no_quota() -> None:
    with SampleZendesk(Options(tickets=30, requests_per_minute=1)) as zendesk, client_of(zendesk) as api:
        ticket = writable(zendesk)[0]
        for _ in range(3):
            zendesk.control.add_comment(ticket, "from the agent interface")
        assert api.get("/api/v2/groups.json").status_code == 200
        assert api.get("/api/v2/groups.json").status_code == 429
        stats = zendesk.control.stats()
        assert stats["people"] == {"PUT tickets/{id}": 3}
        zendesk.control.reset_stats()
        assert zendesk.control.stats()["calls"] == 0


def test_comment_calls_are_counted_for_each_ticket(zendesk: SampleZendesk, live: httpx.Client) -> None:
    for ticket_id in (1, 2, 2, 7):
        live.get(f"/api/v2/tickets/{ticket_id}/comments.json?page[size]=100")
    assert zendesk.control.stats()["comments"] == {"calls": 4, "tickets": 3, "max_per_ticket": 2}


def test_faults_strike_and_end(zendesk: SampleZendesk, live: httpx.Client) -> None:
    control, path = zendesk.control, "/api/v2/tickets/1.json"
    good = live.get(path).json()

    control.set_faults(Fault(kind="rate_limit", path="tickets/1", count=1, retry_after=0.25))
    assert live.get("/api/v2/groups.json").status_code == 200
    answer = live.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "0.25")

    for status in (500, 502, 503):
        control.set_faults(Fault(kind="error", status=status, count=1))
        assert live.get(path).status_code == status

    control.set_faults(Fault(kind="html", count=1))
    answer = live.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")

    control.set_faults(Fault(kind="truncated", count=1))
    answer = live.get(path)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()

    for kind in ("drop", "cut"):
        control.set_faults(Fault(kind=kind, count=1))  # type: ignore[arg-type]
        with pytest.raises(httpx.RemoteProtocolError):
            live.get(path)

    control.set_faults(Fault(kind="slow", slow_seconds=0.3, count=1))
    answer = live.get(path)
    assert answer.json() == good and answer.elapsed.total_seconds() >= 0.3

    control.set_faults(Fault(kind="hang"))
    with pytest.raises(httpx.ReadTimeout):
        live.get(path, timeout=0.2)
    control.clear_faults()
    assert live.get(path).json() == good
    control.set_faults(Fault(kind="hang", hang_seconds=0.05, count=1))
    with pytest.raises(httpx.RemoteProtocolError):
        live.get(path)
    assert live.get(path).json() == good


def test_wrong_orders_to_the_control_side_are_refused(zendesk: SampleZendesk) -> None:
    for path, body in (
        ("faults", {"faults": [{"kind": "fire"}]}),
        ("faults", {"faults": [{"kind": "drop", "path": "("}]}),
        ("limits", {"requests_per_minute": 0}),
        ("webhooks", {"url": "nowhere"}),
    ):
        answer = httpx.post(f"{zendesk.base_url}/_sample/{path}", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]


# Live changes.


def test_every_change_shows_at_once_and_comes_in_the_export(
    zendesk: SampleZendesk, live: httpx.Client
) -> None:
    control = zendesk.control
    first, second, third, fourth, fifth = writable(zendesk, 5)
    cursor = list(walk(live))[-1]["after_cursor"]

    comment = control.add_comment(first, "secret 123 inside", public=True)
    control.redact(first, comment, "123")
    control.make_private(first, comment)
    last = live.get(f"/api/v2/tickets/{first}/comments.json").json()["comments"][-1]
    assert (last["body"], last["public"]) == ("secret ▇▇▇ inside", False)
    control.set_status(
        second, "pending" if control.truth_of(second)["ticket"]["status"] != "pending" else "open"
    )
    control.delete(third)
    assert live.get(f"/api/v2/tickets/{third}/comments.json").status_code == 404
    control.merge(first, [fourth])
    control.mark_as_spam(fifth)
    new = control.create_ticket("Brand new", "Where is it?", tags=["fresh"])["id"]
    control.delete(second)
    control.restore(second)

    after_this_second()
    page = live.get(EXPORT, params={"cursor": cursor}).json()
    rows = {row["id"]: row for row in page["tickets"] if row["generated_timestamp"] > END}
    assert rows.keys() == {first, second, third, fourth, fifth, new}
    assert [rows[i]["status"] for i in (third, fourth, fifth)] == ["deleted", "closed", "deleted"]
    for ticket_id in (first, second, new):
        row = dict(rows[ticket_id])
        row.pop("generated_timestamp")
        assert row == live.get(f"/api/v2/tickets/{ticket_id}.json").json()["ticket"]
    removed = {line["id"] for line in control.truth() if line["removed"]}
    assert {third, fifth} <= removed
    assert not {first, second, fourth, new} & removed
    again = live.get(EXPORT, params={"cursor": page["after_cursor"]}).json()
    assert (again["tickets"], again["after_cursor"]) == ([], page["after_cursor"])


def test_changes_through_the_api_need_a_login(zendesk: SampleZendesk, live: httpx.Client) -> None:
    url = f"/api/v2/tickets/{writable(zendesk)[0]}.json"
    assert httpx.delete(zendesk.base_url + url).status_code == 401
    assert live.put(url, json={"ticket": {"priority": "urgent"}}).json()["ticket"]["priority"] == "urgent"
    assert live.put(url, content=b"{").status_code == 400
    assert live.put(url, json=[1]).status_code == 400
    assert live.put(url, json={"ticket": {"status": "nope"}}).status_code == 422
    assert live.post("/api/v2/nothing.json").status_code == 404
    assert live.delete(url).status_code == 204
    assert live.delete(url).status_code == 404


def test_changes_appear_in_the_event_export(zendesk: SampleZendesk, live: httpx.Client) -> None:
    ticket = writable(zendesk)[0]
    zendesk.control.update(ticket, priority=None, comment={"body": "newest words", "public": False})
    zendesk.control.update(ticket, subject="renamed")
    after_this_second()
    page = live.get(f"/api/v2/incremental/ticket_events.json?start_time={END}&include=comment_events").json()
    children = [event["child_events"][0] for event in page["ticket_events"] if event["ticket_id"] == ticket]
    assert any(child.get("body") == "newest words" and child["comment_public"] is False for child in children)
    assert any(child.get("subject") == "renamed" for child in children)


def test_many_changes_at_once_lose_nothing(zendesk: SampleZendesk, live: httpx.Client) -> None:
    ticket = writable(zendesk)[0]
    count = len(zendesk.control.truth_of(ticket)["comments"])

    def say(number: int) -> None:
        with SampleZendeskControl(zendesk.base_url) as control:
            control.update(ticket, comment={"body": f"say {number}"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(say, range(24)))
    comments = zendesk.control.truth_of(ticket)["comments"]
    assert sorted(comment["body"] for comment in comments[count:]) == sorted(f"say {n}" for n in range(24))
    assert len({comment["id"] for comment in comments}) == len(comments)


# Webhooks.


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]], Callable[[int], bool]]]:
    """A server that takes webhooks: its URL, what it took, and a wait for so many of them."""
    taken: list[tuple[dict[str, str], bytes]] = []
    changed = threading.Condition()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            with changed:
                taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                changed.notify_all()

        def log_message(self, *_: object) -> None:
            pass

    def wait(count: int) -> bool:
        with changed:
            return changed.wait_for(lambda: len(taken) >= count, timeout=10)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", taken, wait
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_change_is_told_to_the_receiver(zendesk: SampleZendesk, receiver: Any) -> None:
    url, taken, wait = receiver
    ticket = writable(zendesk)[0]
    zendesk.control.add_webhook(Hook(url=url, secret="shh", duplicate=1.0))
    zendesk.control.add_comment(ticket, "told", public=False)
    zendesk.control.delete(ticket)
    assert wait(4)
    bodies = [json.loads(body) for _, body in taken]
    assert Counter(body["type"] for body in bodies) == {
        "zen:event-type:ticket.comment_added": 2,
        "zen:event-type:ticket.soft_deleted": 2,
    }
    assert {body["detail"]["id"] for body in bodies} == {str(ticket)}
    for headers, body in taken:
        timestamp = headers["x-zendesk-webhook-signature-timestamp"]
        assert headers["x-zendesk-webhook-signature"] == sign("shh", timestamp, body)
    zendesk.control.clear_webhooks()
    assert zendesk.control.webhooks()["webhooks"] == []


# The command.


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "ticketstream.local.sample.zendesk",
        "--port",
        str(port),
        "--tickets",
        "25",
    ]
    process = subprocess.Popen(
        [*command, "--account", "beta", "--oauth-token", "mine"], stderr=subprocess.PIPE
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                health = httpx.get(f"{url}/_sample/health").json()
                break
            except httpx.TransportError:
                time.sleep(0.05)
        assert health == {"status": "ok", "account": "beta", "tickets": 25}
        assert (
            httpx.get(f"{url}/api/v2/groups.json", headers={"Authorization": "Bearer mine"}).status_code
            == 200
        )
        default = {"Authorization": f"Bearer {DEFAULT_OAUTH_TOKEN}"}
        assert httpx.get(f"{url}/api/v2/groups.json", headers=default).status_code == 401
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert b"Traceback" not in errors


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [
            sys.executable,
            "-m",
            "ticketstream.local.sample.zendesk",
            "--port",
            port,
            "--tickets",
            "5",
        ]
        done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}".encode())
    assert done.stderr.count(b"\n") == 1


def test_the_command_refuses_half_a_login() -> None:
    command = [
        sys.executable,
        "-m",
        "ticketstream.local.sample.zendesk",
        "--port",
        "1",
        "--email",
        "a@example.org",
    ]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"--email and --api-token go together" in done.stderr


# Odd data.


def test_rows_and_answers_are_as_odd_as_they_are_wanted(zendesk: SampleZendesk, live: httpx.Client) -> None:
    row = next(line for line in zendesk.control.truth() if not line["removed"] and line["comments"])
    number, comment = row["id"], row["comments"][0]["id"]
    zendesk.control.set_odd(
        rows={
            "tickets": {number: {"id": str(number), "subject": "\ud800"}},
            "comments": {comment: {"body": 5}},
        },
        answers={EXPORT: {"after_cursor": None}},
        missing=[f"comments/{comment}/public", "comments/meta"],
    )
    alone = live.get(f"/api/v2/tickets/{number}.json")
    assert b'"\\ud800"' in alone.content and alone.json()["ticket"]["id"] == str(number)
    page = live.get(EXPORT, params={"start_time": 0}).json()
    assert page["after_cursor"] is None and str(number) in {each["id"] for each in page["tickets"]}
    told = live.get(f"/api/v2/tickets/{number}/comments.json?page[size]=100").json()
    assert "meta" not in told and (told["comments"][0]["body"], "public" in told["comments"][0]) == (5, False)
    zendesk.control.set_odd()
    assert live.get(f"/api/v2/tickets/{number}.json").json()["ticket"] == row["ticket"]
