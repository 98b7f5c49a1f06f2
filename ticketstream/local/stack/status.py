"""What runs of a stack, as ``ticketstream status`` shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from schemas.cluster import Cluster
from schemas.settings.load import Settings
from ticketstream.local.stack.layout import StackPaths, folder_size
from ticketstream.local.stack.processes import same_process
from ticketstream.local.stack.readiness import kafka_ready, sample_ready, weaviate_ready
from ticketstream.local.stack.records import ServiceSpec, ServiceState, StackSpec, read_spec, read_state
from ticketstream.operations.locks import lock_holder

State = Literal["running", "starting", "restarting", "stopped", "used", "unreachable"]


class ServiceStatus(msgspec.Struct, kw_only=True):
    """One service. ``used`` means given by settings and answering; ``data_bytes`` is None without data."""

    name: str
    title: str
    state: State
    address: str
    pid: int | None = None
    since: datetime | None = None
    data_bytes: int | None = None
    log: str | None = None
    last_exit: str = ""


class StackStatus(msgspec.Struct, kw_only=True):
    """A stack: ``running`` says whether everything that was asked for answers."""

    running: bool
    data_dir: str
    services: list[ServiceStatus]


def is_ready(name: str, spec: StackSpec, given: Settings | None = None) -> bool:
    """Say whether a service answers as its clients will ask it, started by us or given by settings."""
    service = spec.service(name)
    address = service.address if service else spec.external[name]
    if name == "kafka":
        return kafka_ready(Cluster(address, spec.partitions))
    if name == "weaviate":
        own_grpc = f"grpc://127.0.0.1:{spec.ports.get('weaviate-grpc')}"
        return weaviate_ready(address, own_grpc if service or given is None else given.weaviate_grpc_url)
    return sample_ready(address)


def read_status(paths: StackPaths, given: Settings | None = None) -> StackStatus:
    """Return the state of the stack in this data directory, without services when none was asked for."""
    state, spec = read_state(paths.state), read_spec(paths.spec)
    if state is None:
        return StackStatus(running=False, data_dir=str(paths.data_dir), services=[])
    supervised = lock_holder(paths.supervisor_lock) is not None
    services = [
        _status(paths, spec, service, state.service(service.name) if supervised else None)
        for service in spec.services
    ]
    for name in spec.external:
        if name in ("kafka", "weaviate"):
            answers = is_ready(name, spec, given)
            services.append(
                ServiceStatus(
                    name=name,
                    title=f"{name.title()} (from the settings)",
                    state="used" if answers else "unreachable",
                    address=spec.external[name],
                )
            )
    running = bool(services) and all(service.state in ("running", "used") for service in services)
    return StackStatus(running=running, data_dir=str(paths.data_dir), services=services)


def _status(
    paths: StackPaths, spec: StackSpec, service: ServiceSpec, state: ServiceState | None
) -> ServiceStatus:
    data = paths.data_of(service.name)
    result = ServiceStatus(
        name=service.name,
        title=service.title,
        state="stopped",
        address=service.address,
        data_bytes=folder_size(data) if data else None,
        log=service.log,
    )
    if state is None or state.state in ("paused", "stopping"):
        return result
    result.last_exit = state.last_exit
    if state.state == "running" and same_process(state.pid, state.created):
        result.state = "running" if is_ready(service.name, spec) else "starting"
        result.pid = state.pid
        result.since = datetime.fromtimestamp(state.since, UTC) if state.since else None
    else:
        result.state = "restarting"
    return result
