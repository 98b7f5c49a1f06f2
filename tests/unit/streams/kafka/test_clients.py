"""How Kafka is reached is said in one place: nobody else makes a client."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from schemas.cluster import Cluster
from streams.kafka import clients

ROOT = Path(__file__).parents[4]
CLASSES = {"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "LeasedProducer", "AIOKafkaClient"}
CLUSTER = Cluster("one:9092, two:9093", 6)


def made_in(path: Path) -> set[str]:
    """Return the clients of Kafka that a module makes."""
    return {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES
    }


def test_all_clients_are_made_in_one_module() -> None:
    product = [
        path
        for folder in ("agents", "schemas", "streams", "ticketstream")
        for path in (ROOT / folder).rglob("*.py")
    ]
    makers = {path.relative_to(ROOT).as_posix(): made for path in product if (made := made_in(path))}
    assert set(makers) == {"streams/kafka/clients.py"}
    assert makers["streams/kafka/clients.py"] == CLASSES - {"AIOKafkaClient"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What each client that is made is told."""
    calls: list[dict[str, object]] = []
    for name in ("AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "LeasedProducer"):
        monkeypatch.setattr(clients, name, lambda *_, **options: calls.append(options))
    return calls


def test_every_client_is_told_the_same_of_the_cluster(told: list[dict[str, object]]) -> None:
    clients.consumer(CLUSTER, "topic")
    clients.admin(CLUSTER, timeout=2.5)
    clients.leased_producer(CLUSTER, None, linger_ms=10)
    clients.plain_producer(CLUSTER)
    reached = clients.reached(CLUSTER)
    assert reached == {"bootstrap_servers": "one:9092, two:9093"}
    assert all(reached.items() <= each.items() for each in told)
    assert told[0]["enable_auto_commit"] is False
    assert told[1]["request_timeout_ms"] == 2500
    assert told[2]["linger_ms"] == 10


def test_faust_gets_an_address_a_broker() -> None:
    assert clients.brokers(CLUSTER) == ["kafka://one:9092", "kafka://two:9093"]


def test_in_words_a_cluster_is_its_addresses() -> None:
    assert f"Kafka at {CLUSTER}" == "Kafka at one:9092, two:9093"
