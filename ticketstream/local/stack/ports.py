"""Ports of the stack's services: those a person chose, else those of last time, else free ones."""

from __future__ import annotations

import random
import socket
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import psutil

from schemas.errors import StackError

FIRST: Final = 20_000
LAST: Final = 31_999
"""Below the range the system takes for outgoing connections (32768 and up on Linux), so that nothing
takes a service's port while it is away for a moment, least of all a client that tries to reach it."""
BLOCK: Final = 16
HOST: Final = "127.0.0.1"
_OTHERS: Final = range(10_000, FIRST)
"""Of these no stack takes any."""
_TRIES: Final = 1_000


def is_free(port: int) -> bool:
    """Say whether TCP and UDP on this localhost port can be listened on."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


def free_ports(count: int) -> list[int]:
    """Return so many free ports in a row for what runs beside a stack, any of 10000 to 19999.

    Raises StackError when none are found.
    """
    for first in random.sample(_OTHERS[: 1 - count or None], _TRIES):
        ports = list(range(first, first + count))
        if all(map(is_free, ports)):
            return ports
    raise StackError(f"no {count} ports in a row are free between {_OTHERS[0]} and {_OTHERS[-1]}")


def used_by(port: int) -> str:
    """Return who listens on a local TCP port, as ``NAME (process 12)``, as far as it can be seen."""
    try:
        connections = psutil.net_connections(kind="inet")
    except (psutil.AccessDenied, OSError):
        connections = []
    for connection in connections:
        local = connection.laddr
        if not local or local.port != port or connection.raddr or not connection.pid:
            continue
        try:
            return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
        except psutil.Error:
            return f"process {connection.pid}"
    return "a process of another user"


def choose_ports(
    names: Iterable[str],
    *,
    configured: Mapping[str, int],
    remembered: Mapping[str, int],
    running: Iterable[str],
    data_dir: Path,
) -> dict[str, int]:
    """Return a port for each name.

    ``running`` names services of this very stack that hold their remembered port now. Raises
    StackError when a configured port is taken, and says by whom.
    """
    held, chosen = set(running), dict[str, int]()
    candidates = _candidates(data_dir)
    names = list(names)
    for name in (name for name in names if name in configured):
        port = configured[name]
        if port in chosen.values():
            raise StackError(f"port {port} cannot be used twice: choose another port for {name}")
        own = name in held and remembered.get(name) == port
        if not own and not is_free(port):
            raise StackError(
                f"port {port}, chosen for {name}, is in use by {used_by(port)}: "
                "stop it or choose another port"
            )
        chosen[name] = port
    for name in (name for name in names if name not in configured):
        before = remembered.get(name)
        if before and before not in chosen.values() and (name in held or is_free(before)):
            chosen[name] = before
            continue
        taken = {*chosen.values(), *remembered.values()}
        port_found = next((port for port in candidates if port not in taken and is_free(port)), None)
        if port_found is None:
            raise StackError(f"no port between {FIRST} and {LAST} is free: stop what is listening there")
        chosen[name] = port_found
    return chosen


def _candidates(data_dir: Path) -> Iterator[int]:
    """Yield all ports of the range, from a place that differs between data directories."""
    blocks = (LAST - FIRST + 1) // BLOCK
    start = FIRST + BLOCK * (zlib.crc32(str(data_dir).encode()) % blocks)
    yield from range(start, LAST + 1)
    yield from range(FIRST, start)
