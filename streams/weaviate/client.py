"""The connection to Weaviate: the official client, and a gRPC channel for what has to be fast."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import grpc  # type: ignore[import-untyped]
import weaviate
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.config import GrpcConfig
from weaviate.exceptions import ResponseCannotBeDecodedError, UnexpectedStatusCodeError
from weaviate.proto.v1 import weaviate_pb2_grpc

from schemas.errors import SettingsError, UnavailableError, UserError
from schemas.settings.load import PREFIX, Settings
from streams.weaviate.failures import translated
from streams.weaviate.observe import Observer, Unobserved

OLDEST_SERVER: Final = (1, 32)
"""The first Weaviate with collection aliases."""

CALL_SECONDS: Final = 60.0
"""How long a write may take. A query takes QUERY_SECONDS."""
QUERY_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 5.0
_HTTP_PORTS: Final = {"http": 80, "https": 443}
_RPC_PORTS: Final = {"grpc": 50051, "grpcs": 443, "http": 50051, "https": 443}
_MESSAGE_BYTES: Final = 100 * 1024 * 1024
# By itself gRPC waits up to two minutes before it tries a lost server again.
_CHANNEL_OPTIONS: Final = [
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


_WRITES: Final = frozenset({"BatchObjects", "BatchDelete"})
Permit = Callable[[], Awaitable[float]]
"""Waits until something may be written, and returns for how many seconds it may."""


async def _always() -> float:
    return math.inf


class _Open(NamedTuple):
    client: weaviate.WeaviateAsyncClient
    channel: grpc.aio.Channel
    stub: Any


class WeaviateConnection:
    """The connection to the Weaviate of the settings, for one event loop. Survives restarts of the server.

    ``permit`` is awaited before each write, which must have ended when it is over; ``observer`` is told of
    each gRPC call. Nothing may be asked before ``open`` has returned.
    """

    def __init__(
        self, settings: Settings, permit: Permit = _always, observer: Observer | None = None
    ) -> None:
        self.observer = observer or Unobserved()
        self._settings = settings
        self._permit = permit
        secret = settings.weaviate.api_key
        self._key = secret.get_secret_value() if secret else None
        self._metadata = (("authorization", f"Bearer {self._key}"),) if self._key else None
        self._opened: _Open | None = None

    async def open(self) -> None:
        """Connect.

        Raises SettingsError when an address is missing or wrong, CredentialsError when the key is refused,
        UnavailableError when nothing answers (naming the address and its variable), UserError when the
        server is too old.
        """
        http = _address(self._settings.weaviate_http_url, "HTTP_URL", _HTTP_PORTS)
        rpc = _address(self._settings.weaviate_grpc_url, "GRPC_URL", _RPC_PORTS)
        if (http.hostname, _port(http, _HTTP_PORTS)) == (rpc.hostname, _port(rpc, _RPC_PORTS)):
            raise SettingsError(
                f"{PREFIX}WEAVIATE__HTTP_URL and {PREFIX}WEAVIATE__GRPC_URL are the same address: "
                "Weaviate speaks gRPC on a port of its own"
            )
        async with AsyncExitStack() as undo:
            client = _client(http, rpc, self._key)
            undo.push_async_callback(client.close)
            await _greet(client, self._settings)
            channel = _channel(rpc)
            undo.push_async_callback(channel.close)
            await _reach(channel, self._settings)
            undo.pop_all()
        stub = weaviate_pb2_grpc.WeaviateStub(channel)  # type: ignore[no-untyped-call]
        self._opened = _Open(client, channel, stub)

    @property
    def _ways(self) -> _Open:
        if self._opened is None:
            raise RuntimeError("the connection to Weaviate is not open")
        return self._opened

    @property
    def client(self) -> weaviate.WeaviateAsyncClient:
        """The official client."""
        return self._ways.client

    async def call(self, method: str, request: Any, timeout: float = CALL_SECONDS) -> Any:
        """Return the answer of a gRPC method of Weaviate; raises grpc.aio.AioRpcError."""
        if method in _WRITES:
            # A write that a frozen process has begun must not go out when it wakes, beside its successor's:
            # its deadline has passed then, for the server too, should a part of it have been sent before.
            timeout = min(timeout, await self._permit())
        started = time.perf_counter()
        ok = False
        try:
            answer = await getattr(self._ways.stub, method)(request, timeout=timeout, metadata=self._metadata)
            ok = True
            return answer
        finally:
            self.observer.called(ok, time.perf_counter() - started)

    async def delete_object(self, collection: str, tenant: str, identity: UUID) -> None:
        """Delete an object, if it is there, without asking any index. Raises weaviate's own errors."""
        await self._permit()
        objects = self.client.collections.use(collection).with_tenant(tenant)
        await objects.data.delete_by_id(identity)

    async def close(self) -> None:
        """Close both ways to the server, if they were opened."""
        ways, self._opened = self._opened, None
        if ways is not None:
            await ways.channel.close()
            await ways.client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _client(http: SplitResult, rpc: SplitResult, key: str | None) -> weaviate.WeaviateAsyncClient:
    return weaviate.use_async_with_custom(
        http_host=http.hostname or "",
        http_port=_port(http, _HTTP_PORTS),
        http_secure=http.scheme == "https",
        grpc_host=rpc.hostname or "",
        grpc_port=_port(rpc, _RPC_PORTS),
        grpc_secure=rpc.scheme in {"grpcs", "https"},
        auth_credentials=Auth.api_key(key) if key else None,
        additional_config=AdditionalConfig(
            timeout=Timeout(init=_CONNECT_SECONDS, query=QUERY_SECONDS, insert=CALL_SECONDS),
            grpc_config=GrpcConfig(channel_options=_CHANNEL_OPTIONS),
        ),
        skip_init_checks=True,  # they ask the package index for a newer client
    )


async def connect(
    settings: Settings, permit: Permit = _always, observer: Observer | None = None
) -> WeaviateConnection:
    """Return an open connection; raises what WeaviateConnection.open raises."""
    connection = WeaviateConnection(settings, permit, observer)
    await connection.open()
    return connection


async def _greet(client: weaviate.WeaviateAsyncClient, settings: Settings) -> None:
    where = f"{settings.weaviate_http_url} ({PREFIX}WEAVIATE__HTTP_URL)"
    try:
        with translated(f"connecting to {where}"):
            meta = await _meta(client)
    except UnavailableError as error:
        raise UnavailableError(
            f"Weaviate does not answer at {where}: start it (`ticketstream up`) or set its address"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"what answers at {where} is not Weaviate: set the right address") from error
    version = str(meta.get("version", ""))
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(parts) == 2 and parts < OLDEST_SERVER:
        raise UserError(f"Weaviate {version} at {where} is too old: run 1.32 or newer (collection aliases)")


async def _meta(client: weaviate.WeaviateAsyncClient) -> dict[str, Any]:
    try:
        await client.connect()
        return dict(await client.get_meta())
    except UnexpectedStatusCodeError as error:
        if error.status_code in {404, 405}:
            raise ValueError("no such page") from error
        raise
    except ResponseCannotBeDecodedError as error:
        raise ValueError("no JSON") from error


async def _reach(channel: grpc.aio.Channel, settings: Settings) -> None:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await channel.channel_ready()
    except TimeoutError as error:
        raise UnavailableError(
            f"Weaviate's gRPC does not answer at {settings.weaviate_grpc_url} ({PREFIX}WEAVIATE__GRPC_URL): "
            "start it (`ticketstream up`) or set its address"
        ) from error


def _channel(rpc: SplitResult) -> grpc.aio.Channel:
    target = f"{rpc.hostname}:{_port(rpc, _RPC_PORTS)}"
    if rpc.scheme in {"grpcs", "https"}:
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=_CHANNEL_OPTIONS)
    return grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)


def _address(url: str, variable: str, ports: dict[str, int]) -> SplitResult:
    parts = urlsplit(url)
    try:
        usable = bool(parts.hostname) and _port(parts, ports) > 0 and parts.path in {"", "/"}
    except (ValueError, KeyError):
        usable = False
    if not usable:
        raise SettingsError(
            f"{PREFIX}WEAVIATE__{variable} is no address of Weaviate: "
            f"write it as {next(iter(ports))}://host:port"
        )
    return parts


def _port(parts: SplitResult, ports: dict[str, int]) -> int:
    return parts.port or ports[parts.scheme]
