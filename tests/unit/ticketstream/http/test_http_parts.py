"""The parts of the server: repeats, the time limit, problem documents, the sender, the command."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import APIRouter

from schemas.codec import decode
from schemas.errors import SettingsError, UnavailableError, UserError
from schemas.messages.tickets import TicketHint
from schemas.settings.load import PREFIX, load_settings
from schemas.topics import CHANGES
from streams.kafka.messages import Record
from streams.kafka.partitions import partition_of
from streams.sources.zendesk.signature import TEST_SECRET
from streams.testing import until
from tests.http_fixtures import BEARER, KEY, assert_problem
from tests.shared_fixtures import logs
from ticketstream import cli
from ticketstream.http.app import create_app
from ticketstream.http.server import build_app, listen
from ticketstream.http.webhooks import hint_sender as hints
from ticketstream.http.webhooks.hint_sender import HintSender
from ticketstream.http.webhooks.repeats import Repeats
from ticketstream.operations.checks.webhooks import check_webhooks

__all__ = ["logs"]

HINT = TicketHint(account="acme", ticket_id=7, hinted_at=1.0)

# Repeats.


class Work:
    def __init__(self) -> None:
        self.done = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> None:
        await self.gate.wait()
        if self.error:
            raise self.error
        self.done += 1


async def test_a_name_is_remembered_for_a_while_and_the_oldest_forgotten_first() -> None:
    now = 0.0
    repeats, work = Repeats(size=2, seconds=10, timer=lambda: now), Work()
    assert [await repeats.once(name, work) for name in "aab"] == [True, False, True]
    now = 9.0
    assert not await repeats.once("a", work)
    now = 11.0
    assert await repeats.once("a", work)
    assert [await repeats.once(name, work) for name in "cba"] == [True, True, True]


async def test_what_failed_is_done_again() -> None:
    repeats, work = Repeats(), Work()
    work.error = UnavailableError("away")
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await repeats.once("a", work)
    work.error = None
    assert await repeats.once("a", work)


async def test_whoever_came_first_may_go_away() -> None:
    repeats, work = Repeats(), Work()
    work.gate.clear()
    first, second = (asyncio.create_task(repeats.once("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await second is False
    assert work.done == 1
    assert await repeats.once("a", work) is False


# The app.


async def answers(app: Any, path: str = "/x") -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=BEARER) as client:
        return await client.get(path)


def router_of(work: Any) -> APIRouter:
    router = APIRouter()

    @router.get("/x")
    async def x(number: int = 0) -> dict[str, int]:
        await work()
        return {"number": number}

    return router


async def test_a_request_that_takes_too_long_is_ended() -> None:
    async with asyncio.timeout(30):
        answer = await answers(create_app([router_of(asyncio.Event().wait)], key=KEY, request_seconds=0.01))
    assert_problem(answer, 503)
    assert "retry-after" in answer.headers


async def test_whatever_goes_wrong_is_a_problem_document_without_details() -> None:
    async def breaks() -> None:
        raise TimeoutError("of something else, with secrets")

    answer = await answers(create_app([router_of(breaks)], key=KEY))
    assert_problem(answer, 500)
    assert "secrets" not in answer.text
    fine = create_app([router_of(lambda: asyncio.sleep(0))], key=KEY)
    assert_problem(await answers(fine, "/x?number=no"), 422)
    assert_problem(await answers(fine, "/docs"), 404)
    assert (await answers(fine, "/x?number=3")).json() == {"number": 3}


# The sender.


class FakeProducer:
    """``Producer``, without Kafka."""

    made: ClassVar[list[FakeProducer]] = []
    away = False

    def __init__(self, servers: str, client_id: str) -> None:
        self.records: list[Record] = []
        self.stopped = False
        self.error: Exception | None = None
        self.silent = False
        self.made.append(self)

    async def start(self) -> None:
        if FakeProducer.away:
            raise UnavailableError("away")

    async def stop(self) -> None:
        self.stopped = True

    async def send(self, records: list[Record]) -> None:
        if self.silent:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        self.records += records


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeProducer]]:
    async def ensured(_: Any) -> None:
        if FakeProducer.away:
            raise UnavailableError("away")

    monkeypatch.setenv(f"{PREFIX}KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setattr(hints, "Producer", FakeProducer)
    monkeypatch.setattr(hints, "ensure_topics", ensured)
    monkeypatch.setattr(hints, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(hints, "_WRONG_SECONDS", 0.01)
    FakeProducer.made, FakeProducer.away = [], False
    yield FakeProducer


async def test_a_hint_lies_under_its_ticket_s_key(kafka: type[FakeProducer]) -> None:
    settings = load_settings()
    sender = HintSender(settings)
    assert not sender.reachable
    with pytest.raises(UnavailableError):
        await sender.send(HINT)
    sender.start()
    await until(lambda: sender.reachable)
    await sender.send(HINT)
    (record,) = kafka.made[0].records
    expected = partition_of(b"acme:7", settings.kafka.partitions)
    assert (record.topic, record.key, record.partition) == (CHANGES, b"acme:7", expected)
    assert decode(TicketHint, record.value, record.headers) == HINT
    await sender.stop()
    assert kafka.made[0].stopped


async def test_it_connects_when_kafka_comes_and_anew_when_its_producer_broke(
    kafka: type[FakeProducer],
) -> None:
    kafka.away = True
    sender = HintSender(load_settings())
    sender.start()
    await until(lambda: len(kafka.made) > 2)
    assert not sender.reachable
    kafka.away = False
    await until(lambda: sender.reachable)
    broken = kafka.made[-1]
    broken.error = UnavailableError("broken")
    with pytest.raises(UnavailableError):
        await sender.send(HINT)
    assert not sender.reachable
    await until(lambda: sender.reachable)
    await sender.send(HINT)
    assert broken.stopped
    assert kafka.made[-1].records
    await sender.stop()


async def test_one_that_is_not_acknowledged_in_time_is_given_up(kafka: type[FakeProducer]) -> None:
    sender = HintSender(load_settings(), seconds=0.01)
    sender.start()
    await until(lambda: sender.reachable)
    kafka.made[0].silent = True
    with pytest.raises(UnavailableError, match=r"within 0\.01 s"):
        await sender.send(HINT)
    assert not sender.reachable
    kafka.made[0].silent = False
    await sender.send(HINT)
    assert sender.reachable
    assert len(kafka.made) == 1
    await sender.stop()


async def test_wrong_topics_are_told_once_and_tried_again(
    kafka: type[FakeProducer], monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    errors: list[Exception] = [
        RuntimeError("?"),
        SettingsError("9 partitions"),
        SettingsError("9 partitions"),
    ]

    async def ensured(_: Any) -> None:
        if errors:
            raise errors.pop(0)

    monkeypatch.setattr(hints, "ensure_topics", ensured)
    sender = HintSender(load_settings())
    sender.start()
    await until(lambda: sender.reachable)
    assert [entry["reason"] for entry in logs] == ["RuntimeError", "9 partitions"]
    await sender.stop()


# The command.


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("ZENDESK__SUBDOMAIN", "the Zendesk account is not set"),
        ("KAFKA__BOOTSTRAP_SERVERS", "Kafka's address is not set"),
    ],
)
def test_serve_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
    missing: str,
    told: str,
) -> None:
    given = {
        "DATA_DIR": str(tmp_path),
        "ZENDESK__WEBHOOK_SECRET": "s",
        "ZENDESK__SUBDOMAIN": "acme",
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }
    for name, value in given.items():
        if name != missing:
            monkeypatch.setenv(PREFIX + name, value)
    assert cli.run(["serve", "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {told}")
    assert said.count("\n") == 1
    assert f"{PREFIX}{missing}" in said


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"^cannot listen at 127\.0\.0\.1 port {port}: .*--port"):
            listen("127.0.0.1", port)


def test_it_listens_on_this_machine_only_unless_told_otherwise() -> None:
    assert (load_settings().http.host, load_settings().http.port) == ("127.0.0.1", 8088)


async def test_the_whole_app_has_its_routes_and_lives_without_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("ZENDESK__WEBHOOK_SECRET", "s"),
        ("ZENDESK__SUBDOMAIN", "acme"),
        ("KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9"),
    ):
        monkeypatch.setenv(PREFIX + name, value)
    app = build_app(load_settings(), KEY)
    async with app.router.lifespan_context(app):
        assert (await answers(app, "/healthz")).json() == {"status": "ok", "kafka": "away"}
        assert "/webhooks/zendesk" in (await answers(app, "/openapi.json")).json()["paths"]


def test_doctor_says_whether_there_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    (without,) = check_webhooks(load_settings())
    assert (without.verdict, "WEBHOOK_SECRET" in without.message) == ("ok", True)
    monkeypatch.setenv(f"{PREFIX}ZENDESK__WEBHOOK_SECRET", "xyzzy")
    (found,) = check_webhooks(load_settings())
    assert (found.verdict, found.message) == (
        "ok",
        "the signing secret is set: `ticketstream serve` can receive them",
    )
    monkeypatch.setenv(f"{PREFIX}ZENDESK__WEBHOOK_SECRET", TEST_SECRET.decode())
    (public,) = check_webhooks(load_settings())
    assert public.verdict == "warn" and "test secret" in public.message and "WEBHOOK_SECRET" in public.todo
