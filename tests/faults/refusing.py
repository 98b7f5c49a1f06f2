"""A Weaviate that fails single objects of a batch: a gRPC proxy before the real one.

Weaviate itself fails an object alone only in states that cannot be made on purpose (a shard that
loads, a disk that fills), so the proxy takes objects out of a batch before Weaviate sees them, and
names them in the answer with errors that Weaviate gives in these states. Everything else passes
as it is, byte for byte.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Self

import grpc  # type: ignore[import-untyped]
from weaviate.proto.v1 import batch_pb2

_BYTES = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
_BATCH = "/weaviate.v1.Weaviate/BatchObjects"
_ERRORS = (
    "put object: context deadline exceeded",
    "put object: shard is not ready: loading",
    "put object: not enough memory",
)


class Refusing:
    """Fails some objects of some batches while ``share`` is above 0. Use as ``async with``."""

    def __init__(self, target: str, chance: random.Random) -> None:
        self._target = target
        self._chance = chance
        self.share = 0.0
        """Of the objects that fail, while it lasts."""
        self.refused = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._target, options=_BYTES)
        self._server = grpc.aio.server(options=_BYTES)
        self._server.add_generic_rpc_handlers((_Handler(self._pass_on),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)
        await self._channel.close()

    async def _pass_on(self, method: str, request: bytes, context: Any) -> bytes:
        call = self._channel.unary_unary(method)
        if method != _BATCH or not self.share:
            return await self._called(call, request, context)
        batch = batch_pb2.BatchObjectsRequest.FromString(request)
        refused = [n for n in range(len(batch.objects)) if self._chance.random() < self.share]
        kept = [n for n in range(len(batch.objects)) if n not in set(refused)]
        reply = batch_pb2.BatchObjectsReply()
        if kept:
            passed = batch_pb2.BatchObjectsRequest(objects=[batch.objects[n] for n in kept])
            answer = await self._called(call, passed.SerializeToString(), context)
            reply = batch_pb2.BatchObjectsReply.FromString(answer)
            for error in reply.errors:
                error.index = kept[error.index]
        for number in refused:
            reply.errors.add(index=number, error=self._chance.choice(_ERRORS))
        self.refused += len(refused)
        return bytes(reply.SerializeToString())

    async def _called(self, call: Any, request: bytes, context: Any) -> bytes:
        try:
            answer: bytes = await call(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details())
            raise
        return answer


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, pass_on: Callable[[str, bytes, Any], Awaitable[bytes]]) -> None:
        self._pass_on = pass_on

    def service(self, details: Any) -> Any:
        async def handle(request: bytes, context: Any) -> bytes:
            return await self._pass_on(details.method, request, context)

        return grpc.unary_unary_rpc_method_handler(handle)
