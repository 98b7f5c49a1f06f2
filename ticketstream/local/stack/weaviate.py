"""Weaviate as the local stack runs it: one node, no modules, no telemetry.

Source of the variables: Weaviate's documentation, "Environment variables", and usecases/config of 1.35.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.ports import HOST
from ticketstream.local.stack.processes import clean_environment
from ticketstream.local.stack.records import ServiceSpec

VERSION: Final = "1.35.2"
PORTS: Final = (
    "weaviate",
    "weaviate-grpc",
    "weaviate-gossip",
    "weaviate-data",
    "weaviate-raft",
    "weaviate-raft-rpc",
)


def environment(data: Path, ports: Mapping[str, int], cluster_password: str) -> dict[str, str]:
    """Return Weaviate's settings for this data folder and these ports."""
    return {
        "PERSISTENCE_DATA_PATH": str(data),
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
        "AUTOSCHEMA_ENABLED": "false",
        "DEFAULT_VECTORIZER_MODULE": "none",
        "ENABLE_MODULES": "",
        "QUERY_DEFAULTS_LIMIT": "25",
        "QUERY_MAXIMUM_RESULTS": "10000",
        "CLUSTER_HOSTNAME": "node1",
        "CLUSTER_ADVERTISE_ADDR": HOST,
        "CLUSTER_BIND_ADDR": HOST,
        "CLUSTER_GOSSIP_BIND_PORT": str(ports["weaviate-gossip"]),
        "CLUSTER_DATA_BIND_PORT": str(ports["weaviate-data"]),
        # The cluster's own API listens on every address and cannot be told otherwise: lock it.
        "CLUSTER_BASIC_AUTH_USERNAME": "node",
        "CLUSTER_BASIC_AUTH_PASSWORD": cluster_password,
        "RAFT_PORT": str(ports["weaviate-raft"]),
        "RAFT_INTERNAL_RPC_PORT": str(ports["weaviate-raft-rpc"]),
        "RAFT_BOOTSTRAP_EXPECT": "1",
        # One node elects itself after its timeouts: 2.3 s instead of 8.6 s until it is ready.
        "RAFT_TIMEOUTS_MULTIPLIER": "1",
        "GRPC_PORT": str(ports["weaviate-grpc"]),
        "GRPC_MAX_MESSAGE_SIZE": str(64 * 1024 * 1024),
        # By default it refuses writes once the disk is 90 % full, which on a laptop it often is.
        "DISK_USE_WARNING_PERCENTAGE": "97",
        "DISK_USE_READONLY_PERCENTAGE": "99",
        "DISABLE_TELEMETRY": "true",
        "GO_PROFILING_DISABLE": "true",
        # Its metrics would listen on every address of the machine.
        "PROMETHEUS_MONITORING_ENABLED": "false",
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "text",
    }


def service(
    paths: StackPaths, ports: Mapping[str, int], *, server: Path, cluster_password: str
) -> ServiceSpec:
    """Return the process that runs Weaviate; ``server`` is its binary."""
    port = ports["weaviate"]
    return ServiceSpec(
        name="weaviate",
        title=f"Weaviate {VERSION}",
        argv=[str(server), "--host", HOST, "--port", str(port), "--scheme", "http"],
        environment=clean_environment(**environment(paths.weaviate, ports, cluster_password)),
        cwd=str(paths.weaviate),
        log=str(paths.log("weaviate")),
        address=f"http://{HOST}:{port}",
    )
