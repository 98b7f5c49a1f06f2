"""The local stack with real Kafka and Weaviate: up, down, crashes, ports, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from command_process import Command
from harness import outside_settings

from schemas.errors import StackError
from schemas.settings.load import load_settings
from streams.kafka.topic_admin import make_topics
from ticketstream.local.stack.api import LocalStack
from ticketstream.local.stack.options import StackOptions
from ticketstream.local.stack.ports import free_ports
from ticketstream.local.stack.readiness import kafka_ready
from ticketstream.local.stack.records import StackState, read_state

KAFKA = "TICKETSTREAM_KAFKA__BOOTSTRAP_SERVERS"
WEAVIATE = "TICKETSTREAM_WEAVIATE__HTTP_URL"


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return every process that works in this folder or has it in its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            about = [process.cwd(), *process.cmdline()]
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if alive and process.pid != os.getpid() and any(str(folder) in text for text in about):
            found.append(process)
    return found


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def state_of(stack: LocalStack) -> StackState:
    state = read_state(stack.paths.state)
    assert state is not None
    return state


def pid_of(stack: LocalStack, name: str) -> int:
    service = state_of(stack).service(name)
    assert service is not None
    assert service.pid is not None
    return service.pid


async def _make_topic(bootstrap: str) -> None:
    """Make the topic, unless it is there: no client of this process makes one by asking for it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await make_topics(admin, [NewTopic("kept", 1, 1)])
    finally:
        await admin.close()


def produce(bootstrap: str, value: bytes) -> None:
    async def send() -> None:
        from aiokafka import AIOKafkaProducer

        await _make_topic(bootstrap)
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
            await producer.send_and_wait("kept", value)

    asyncio.run(send())


def consume(bootstrap: str, count: int) -> list[bytes | None]:
    async def receive() -> list[bytes | None]:
        from aiokafka import AIOKafkaConsumer

        consumer = AIOKafkaConsumer("kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        async with asyncio.timeout(60), consumer:
            return [(await consumer.getone()).value for _ in range(count)]

    return asyncio.run(receive())


def command(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return Command(arguments, command_environment(data_dir) | environment, data_dir.parent).ended(240)


def command_environment(data_dir: Path) -> dict[str, str]:
    return outside_settings() | {"TICKETSTREAM_DATA_DIR": str(data_dir)}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A whole stack, samples included, shared by the tests that leave it running."""
    data_dir = tmp_path_factory.mktemp("stack") / "data"
    stack = LocalStack(data_dir, StackOptions(sample=True, tickets=20))
    stack.start()
    yield stack
    stack.stop(delete_data=True)
    assert processes_of(data_dir) == []
    assert not data_dir.exists()


def test_everything_asked_for_runs_and_the_settings_file_reaches_it(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status = stack.status()
    assert status.running
    assert {service.name: service.state for service in status.services} == {
        "kafka": "running",
        "weaviate": "running",
        "zendesk": "running",
        "gemini": "running",
    }
    assert all(service.pid and service.since for service in status.services)

    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TICKETSTREAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TICKETSTREAM_DATA_DIR", str(stack.paths.data_dir))
    settings = load_settings()
    assert kafka_ready(settings.cluster)
    assert httpx.get(f"{settings.weaviate_http_url}/v1/meta").json()["version"] == "1.35.2"
    token = settings.zendesk.oauth_token
    assert token is not None
    answer = httpx.get(
        f"{settings.zendesk_url}/api/v2/tickets/count.json",
        headers={"Authorization": f"Bearer {token.get_secret_value()}"},
    )
    assert answer.status_code == 200
    assert settings.embedding_provider == "local"
    assert stack.paths.settings_file.stat().st_mode & 0o777 == 0o600


def test_kafka_takes_its_classes_from_the_archive(stack: LocalStack) -> None:
    mapped = {Path(each.path).name for each in psutil.Process(pid_of(stack, "kafka")).memory_maps()}
    assert "classes.jsa" in mapped


def test_a_second_up_changes_nothing(stack: LocalStack) -> None:
    before = [service.pid for service in state_of(stack).services]
    again = command(stack.paths.data_dir, "up", "--sample", "--json")
    assert again.returncode == 0, again.stderr
    assert msgspec.json.decode(again.stdout)["environment"] == stack.start()
    assert [service.pid for service in state_of(stack).services] == before


def test_status_command_ends_with_0_only_when_all_runs(stack: LocalStack) -> None:
    shown = command(stack.paths.data_dir, "status", "--json")
    assert shown.returncode == 0
    assert msgspec.json.decode(shown.stdout)["running"] is True

    stack.stop_service("gemini")
    shown = command(stack.paths.data_dir, "status")
    assert shown.returncode == 1
    assert "stopped" in shown.stdout
    stack.start_service("gemini")
    assert command(stack.paths.data_dir, "status").returncode == 0


def test_a_service_goes_away_and_comes_back_on_its_port(stack: LocalStack) -> None:
    url = stack.start()[WEAVIATE]
    stack.stop_service("weaviate")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v1/meta")
    assert not stack.status().running
    stack.start_service("weaviate")
    assert httpx.get(f"{url}/v1/meta").is_success
    assert stack.start()[WEAVIATE] == url


def test_a_killed_kafka_is_started_again_with_its_messages(stack: LocalStack) -> None:
    bootstrap = stack.start()[KAFKA]
    produce(bootstrap, b"before the crash")
    old = pid_of(stack, "kafka")
    stack.kill("kafka")
    assert pid_of(stack, "kafka") != old
    assert consume(bootstrap, 1) == [b"before the crash"]


def test_changed_sample_options_replace_only_that_sample(stack: LocalStack) -> None:
    kafka, zendesk = pid_of(stack, "kafka"), pid_of(stack, "zendesk")
    LocalStack(stack.paths.data_dir, StackOptions(tickets=21)).start()
    assert pid_of(stack, "kafka") == kafka
    assert pid_of(stack, "zendesk") != zendesk
    LocalStack(stack.paths.data_dir, StackOptions(tickets=20)).start()


def test_two_stacks_run_side_by_side_and_data_survives_another_port(
    stack: LocalStack, tmp_path: Path
) -> None:
    second = LocalStack(tmp_path / "second")
    try:
        environment = second.start()
        assert environment[KAFKA] != stack.start()[KAFKA]
        assert stack.status().running
        produce(environment[KAFKA], b"kept")
        httpx.post(f"{environment[WEAVIATE]}/v1/schema", json={"class": "Kept"}).raise_for_status()
        second.stop()
        assert processes_of(second.paths.data_dir) == []
        assert not second.paths.settings_file.exists()

        (port,) = free_ports(1)
        environment = LocalStack(tmp_path / "second", StackOptions(kafka_port=port)).start()
        assert environment[KAFKA] == f"127.0.0.1:{port}"
        assert consume(environment[KAFKA], 1) == [b"kept"]
        assert httpx.get(f"{environment[WEAVIATE]}/v1/schema/Kept").is_success
    finally:
        second.stop()
    assert stack.status().running


def test_services_named_by_settings_are_used_and_not_touched(stack: LocalStack, tmp_path: Path) -> None:
    environment = stack.start()
    given = {name: environment[name] for name in environment if "KAFKA" in name or "WEAVIATE" in name}
    data_dir = tmp_path / "data"
    try:
        used = command(data_dir, "up", "--sample", "--tickets", "1", "--json", **given)
        assert used.returncode == 0, used.stderr
        found = msgspec.json.decode(used.stdout)["environment"]
        assert given.items() <= found.items()
        shown = msgspec.json.decode(command(data_dir, "status", "--json", **given).stdout)
        assert {service["name"]: service["state"] for service in shown["services"]} == {
            "zendesk": "running",
            "gemini": "running",
            "kafka": "used",
            "weaviate": "used",
        }
    finally:
        assert command(data_dir, "down", **given).returncode == 0
    assert stack.status().running

    away = command(tmp_path / "away", "up", **{KAFKA: "127.0.0.1:1"})
    assert away.returncode == 1
    assert away.stderr.startswith("error: Kafka at 127.0.0.1:1 does not answer")


def test_nothing_outlives_a_supervisor_that_is_killed(stack: LocalStack) -> None:
    """The last test of the shared stack: it ends it."""
    os.kill(state_of(stack).supervisor_pid, signal.SIGKILL)
    assert until(lambda: len(processes_of(stack.paths.data_dir)) == 0)
    assert not stack.status().running
    assert stack.stop()
    assert not stack.paths.settings_file.exists()


@pytest.mark.parametrize("seconds", [0.8, 3.0])
def test_down_ends_what_a_killed_up_left(tmp_path: Path, seconds: float) -> None:
    data_dir = tmp_path / "data"
    up = subprocess.Popen(
        [sys.executable, "-m", "ticketstream", "up"],
        env=command_environment(data_dir),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        up.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        up.kill()
        up.wait()
    assert command(data_dir, "down", "--delete-data").returncode == 0
    assert processes_of(data_dir) == []
    assert not data_dir.exists()


def test_ctrl_c_during_up_stops_what_it_started(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    up = subprocess.Popen(
        [sys.executable, "-m", "ticketstream", "up"],
        env=command_environment(data_dir),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert until((data_dir / "stack" / "state.json").exists)
    up.send_signal(signal.SIGINT)
    _, errors = up.communicate(timeout=60)
    assert up.returncode == 130
    assert errors.strip().splitlines()[-1] == "error: stopped by Ctrl-C"
    assert processes_of(data_dir) == []


def test_a_port_in_use_is_named_with_its_owner(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = command(tmp_path / "data", "up", "--kafka-port", str(port))
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: port {port}, chosen for kafka, is in use by ")
    assert f"(process {os.getpid()})" in last
    assert "Traceback" not in result.stderr
    assert processes_of(tmp_path / "data") == []


def test_a_service_that_cannot_start_is_named_with_its_reason(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "data")
    stack.paths.prepare()
    stack.paths.weaviate.rmdir()
    stack.paths.weaviate.write_text("in the way")
    with pytest.raises(StackError, match="data directory"):
        stack.start()
    stack.paths.weaviate.unlink()
    (stack.paths.kafka / "data").mkdir(parents=True)
    (stack.paths.kafka / "data" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")
    with pytest.raises(StackError, match=r"^Kafka 4\.1\.1 ended 3 times while starting"):
        stack.start()
    assert processes_of(stack.paths.data_dir) == []
