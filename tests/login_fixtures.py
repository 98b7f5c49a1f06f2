"""Stored logins over a topic in memory and the sample's own token endpoint, by one clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson

from schemas.errors import UnavailableError
from schemas.logins import LoginRecord, login_key
from streams.logins.log import OnRecord
from streams.logins.pending import PendingPairs
from streams.logins.renewer import PairMaker, Renewer
from streams.logins.renewing import RenewingLogin
from streams.logins.stored import StoredLogin
from streams.logins.view import Clock, LoginView, Seed
from streams.sources.zendesk.renewal.exchange import TokenEndpoint
from streams.sources.zendesk.renewal.sealing import Seal, chain_of
from streams.testing import VirtualClock
from ticketstream.local.sample.zendesk.oauth import Authority, OAuthError

ACCOUNT, CLIENT_ID, SECRET = "acme", "sample-client", "a long random secret of a client"
BASE = "https://acme.zendesk.com"


class _Clock(VirtualClock):
    async def settle(self) -> None:
        """A renewal takes many turns of the loop, and no time."""
        for _ in range(10):
            await super().settle()


def new_clock() -> VirtualClock:
    return _Clock()


class FakeTopic:
    """``zendesk.logins``: one order for all, the broker's times, and readers who hear of each record."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.records: list[tuple[LoginRecord, float]] = []
        self.readers: list[OnRecord] = []
        self.erased: set[bytes] = set()
        self.away = False

    def compacted(self) -> list[tuple[LoginRecord, float]]:
        """Return the newest of each key, without what was erased: as little as Kafka may have kept."""
        newest = {
            login_key(ACCOUNT, CLIENT_ID, record): number for number, (record, _) in enumerate(self.records)
        }
        kept = sorted(number for key, number in newest.items() if key not in self.erased)
        return [self.records[number] for number in kept]

    def add(self, record: LoginRecord) -> None:
        at = self.clock.now
        self.records.append((record, at))
        for reader in list(self.readers):
            reader(record, at)


class FakeRecords:
    """One process's view of the topic; ``before_append`` runs before each append."""

    def __init__(self, topic: FakeTopic) -> None:
        self._topic = topic
        self._reader: OnRecord | None = None
        self.before_append: Callable[[Sequence[LoginRecord]], Any] = lambda _: None

    async def open(self, on_record: OnRecord) -> None:
        if self._topic.away:
            raise UnavailableError("Kafka is away")
        self._reader = on_record
        for record, at in self._topic.compacted():
            on_record(record, at)
        self._topic.readers.append(on_record)

    async def append(self, records: Sequence[LoginRecord], erased: Sequence[LoginRecord] = ()) -> None:
        await asyncio.sleep(0)
        self.before_append(records)
        if self._topic.away:
            raise UnavailableError("Kafka is away")
        for record in records:
            self._topic.add(record)
        self._topic.erased |= {login_key(ACCOUNT, CLIENT_ID, record) for record in erased}

    async def aclose(self) -> None:
        if self._reader in self._topic.readers:
            self._topic.readers.remove(self._reader)


class Scene:
    """An account with its tokens, a topic, and processes that share both."""

    def __init__(self, data_dir: Path) -> None:
        self.clock = new_clock()
        self.topic = FakeTopic(self.clock)
        self.zendesk = Authority(CLIENT_ID, SECRET, self.clock.clock)
        self.data_dir = data_dir
        self.asked: list[dict[str, Any]] = []
        self.before_answer: Callable[[], Any] = lambda: None
        self.after_answer: Callable[[], Any] = lambda: None

    def first_token(self) -> str:
        return str(self.zendesk.issue({})["refresh_token"])

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        asked = orjson.loads(request.content)
        self.asked.append(asked)
        if (waits := self.before_answer()) is not None:
            await waits
        try:
            answer = httpx.Response(200, json=self.zendesk.token(asked))
        except OAuthError as error:
            answer = httpx.Response(error.status, json=error.body)
        changed = self.after_answer()
        if asyncio.iscoroutine(changed):
            changed = await changed
        return changed if isinstance(changed, httpx.Response) else answer

    def process(
        self, token: str | None = None, *, secret: str = SECRET, data_dir: Path | None = None, by: str = "one"
    ) -> Process:
        return Process(self, token, secret, data_dir or self.data_dir, by)

    def lets_in(self, header: str) -> bool:
        return self.zendesk.scopes_of(header.removeprefix("Bearer ")) is not None


class Process:
    """One process with a login; the parts are there for tests that look closer."""

    def __init__(self, scene: Scene, token: str | None, secret: str, data_dir: Path, by: str) -> None:
        seal = Seal(secret, ACCOUNT, CLIENT_ID)
        maker = PairMaker(seal, ACCOUNT, CLIENT_ID, by)
        clock = Clock(scene.clock.clock, scene.clock.clock, scene.clock.sleep)
        seed = Seed(token, chain_of(token, ACCOUNT, CLIENT_ID)) if token else None
        self.records = FakeRecords(scene.topic)
        self.view = LoginView(self.records, seal, maker.about, seed, clock)
        self.endpoint = TokenEndpoint(BASE, CLIENT_ID, SECRET, transport=httpx.MockTransport(scene._answer))
        self.pending = PendingPairs(data_dir, ACCOUNT, CLIENT_ID)
        self.renewer = Renewer(self.view, self.endpoint, maker, self.pending, clock)
        self.stored = StoredLogin(CLIENT_ID, self.endpoint, self.view, maker, self.renewer)
        self.login = RenewingLogin(self.view, self.renewer, variables="CLIENT", clock=clock)
