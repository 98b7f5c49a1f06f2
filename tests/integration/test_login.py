"""The grant ``refresh_token`` with real Kafka and real processes, killed and frozen while they renew."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import time
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from conftest import OpenDesk
from forked_process import ForkedProcess
from harness import Desk

from schemas.settings.load import PREFIX
from schemas.topics import LOGINS
from streams.logins.renewer import CLAIM_SECONDS
from ticketstream.local.sample.zendesk import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET

PROCESSES = 3
ACCESS_SECONDS = 3.0
KILLS = 6


class Caller:
    """One process that calls all the time; started anew when it was killed."""

    def __init__(self, desk: Desk, out: Path) -> None:
        self._desk = desk
        self._out = out
        self.start()

    def start(self) -> None:
        self.process = ForkedProcess(
            "login_caller", environment=self._desk.environment, folder=self._desk.data_dir, out=self._out
        )

    def results(self) -> list[str]:
        lines = self._out.read_text().splitlines()
        return [line for line in lines if line.startswith(("ok ", "failed "))]


async def raw_records(desk: Desk) -> list[tuple[bytes, bytes]]:
    """Return key and value of all that lies on the topic."""
    place = TopicPartition(LOGINS, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=desk.settings.cluster.servers)
    await consumer.start()
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, 0)
        found: list[tuple[bytes, bytes]] = []
        while await consumer.position(place) < end:
            batch = await consumer.getmany(place, timeout_ms=500)
            found += [(each.key, each.value or b"") for each in batch.get(place, ())]
        return found
    finally:
        await consumer.stop()


async def made_by_a_stranger(desk: Desk) -> None:
    """Have the topic as a broker makes it by itself, which would forget the login in a week."""
    admin = AIOKafkaAdminClient(bootstrap_servers=desk.settings.cluster.servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(LOGINS, 1, 1)])
    finally:
        await admin.close()


async def policy(desk: Desk) -> dict[str, str]:
    """Return the topic's configuration."""
    admin = AIOKafkaAdminClient(bootstrap_servers=desk.settings.cluster.servers)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, LOGINS)])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()


def stored_pairs(desk: Desk) -> int:
    """Return how many pairs are on the topic, or safe on disk."""
    keys = {key for key, value in asyncio.run(raw_records(desk)) if b"|pair|" in key and value}
    return len(keys)


def kill_where_zendesk_allows(desk: Desk, caller: Caller) -> None:
    """Kill a process at any moment but one: while Zendesk's answer with the new pair is on its way to it.

    What Zendesk has given then is known to nobody; see docs/logins.md.
    """
    pid = caller.process.pid
    while True:
        os.kill(pid, signal.SIGSTOP)
        given = desk.zendesk.oauth()["granted"].get("refresh_token", 0)
        safe = stored_pairs(desk) + len(list(desk.data_dir.glob("*.pending")))
        if given <= safe:
            break
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)
    caller.process.kill()


def test_killed_and_frozen_processes_lose_no_login_and_use_no_refresh_token_twice(
    open_desk: OpenDesk, tmp_path: Path
) -> None:
    desk = open_desk(4)
    desk.log_in_by_client(ACCESS_SECONDS)
    first = desk.zendesk.issue_tokens()["refresh_token"]
    desk.environment[f"{PREFIX}ZENDESK__OAUTH_REFRESH_TOKEN"] = first
    asyncio.run(made_by_a_stranger(desk))
    callers = [Caller(desk, tmp_path / f"{number}.txt") for number in range(PROCESSES)]
    chance = random.Random(4)
    for number in range(KILLS):
        time.sleep(chance.uniform(0.3, 2.5))
        caller = callers[number % PROCESSES]
        kill_where_zendesk_allows(desk, caller)
        caller.start()
    # Frozen for longer than any claim, wherever it is.
    frozen = callers[0].process.pid
    os.kill(frozen, signal.SIGSTOP)
    time.sleep(CLAIM_SECONDS + 2)
    os.kill(frozen, signal.SIGCONT)
    time.sleep(1.5 * ACCESS_SECONDS)
    for caller in callers:
        assert caller.process.terminate() == 0, caller.results()[-3:]

    results = [line for caller in callers for line in caller.results()]
    assert [line for line in results if not line.startswith("ok ")] == []
    assert len(results) > 200
    waits = sorted(float(line.split()[1]) for line in results)
    assert waits[-1] < CLAIM_SECONDS + 5, "longer than the claim of a process that was killed"
    assert waits[round(0.95 * len(waits))] < 1.0
    account = desk.zendesk.oauth()
    assert account["dead_refresh_uses"] == 0
    assert account["refused"] == {}
    assert account["granted"]["refresh_token"] >= KILLS
    mended = asyncio.run(policy(desk))
    assert mended["cleanup.policy"] == "compact"
    assert mended["message.timestamp.type"] == "LogAppendTime"
    raw = asyncio.run(raw_records(desk))
    everything = b"".join(part for record in raw for part in record)
    for secret in (b"sample-access", b"sample-refresh", DEFAULT_CLIENT_SECRET.encode(), first.encode()):
        assert secret not in everything
    assert not list(desk.data_dir.glob("*.pending"))

    # The refresh token dies: all say so, and a person's login mends it, without a restart.
    desk.zendesk.revoke_tokens(access=True, refresh=True)
    waiting = Caller(desk, tmp_path / "waiting.txt")
    deadline = time.monotonic() + 30
    while not any("ticketstream login" in line for line in waiting.results()):
        assert time.monotonic() < deadline, waiting.results()[-3:]
        time.sleep(0.1)
    command = desk.begin("login", "--no-browser", "--port", "0", "--json")
    page = None
    while page is None:
        assert time.monotonic() < deadline, command.told()
        page = re.search(r"http://\S+/oauth/authorizations/new\?\S+", command.told())
        time.sleep(0.05)
    httpx.get(page[0], follow_redirects=True, trust_env=False).raise_for_status()
    ended = command.ended(30)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["client_id"] == DEFAULT_CLIENT_ID
    assert "sample-access" not in ended.stdout + ended.stderr
    assert "sample-refresh" not in ended.stdout + ended.stderr
    at = len(waiting.results())
    while not any(line.startswith("ok ") for line in waiting.results()[at:]):
        assert time.monotonic() < deadline + 30, waiting.results()[-3:]
        time.sleep(0.1)
    waiting.process.terminate()
