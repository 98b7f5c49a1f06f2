"""Is a service ready? Each one is asked what its clients will ask it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import httpx

from schemas.cluster import Cluster


def listens(address: str, seconds: float = 1.0) -> bool:
    """Say whether something accepts connections at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=seconds):
            return True
    except (OSError, ValueError):
        return False


def http_ok(url: str, seconds: float = 2.0) -> bool:
    """Say whether an HTTP GET is answered with 2xx."""
    try:
        return httpx.get(url, timeout=seconds, trust_env=False, verify=_authorities()).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


@cache
def _authorities() -> ssl.SSLContext:
    # Reading all certificates takes more processor time than the rest of a call, and calls come in a row.
    return httpx.create_ssl_context(trust_env=False)


def kafka_ready(cluster: Cluster, seconds: float = 5.0) -> bool:
    """Say whether Kafka answers a metadata request with at least one broker."""
    if not any(listens(server) for server in cluster.servers.split(",")):
        return False
    # In a thread of its own: the caller may be inside an event loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _metadata(cluster, seconds)).result()


async def _metadata(cluster: Cluster, seconds: float) -> bool:
    from aiokafka.errors import KafkaError

    from streams.kafka import clients

    # A broker that is still starting is no news: keep the client's complaints off stderr.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    client = clients.admin(cluster, timeout=seconds)
    try:
        async with asyncio.timeout(seconds):
            await client.start()
            return bool((await client.describe_cluster())["brokers"])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()


def weaviate_ready(http_url: str, grpc_url: str | None) -> bool:
    """Say whether Weaviate calls itself ready and its gRPC port accepts connections."""
    if not http_ok(f"{http_url.rstrip('/')}/v1/.well-known/ready"):
        return False
    return grpc_url is None or listens(grpc_url.partition("://")[2].rstrip("/"))


def sample_ready(base_url: str) -> bool:
    """Say whether a sample service is up."""
    return http_ok(f"{base_url}/_sample/health")
