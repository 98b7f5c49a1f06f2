"""Writes objects in batches, and those Weaviate did not take once more, one by one.

A Weaviate that is killed amid a write (1.35.2) keeps objects that its indexes do not know: no filter finds
them, no search. Writing the same object again does not mend it, as Weaviate passes over what has not changed;
one whose vector has changed it indexes anew and whole (`determineInsertStatus` in its `shard_write_put.go`).
So what may have been cut short is first written with another vector, then as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Sequence
from typing import Any, Final

from weaviate.proto.v1 import batch_pb2

from schemas.errors import PermanentError
from streams.sinks.weaviate.objects import with_another_vector
from streams.weaviate import requests
from streams.weaviate.client import WeaviateConnection
from streams.weaviate.failures import object_error, translated
from streams.weaviate.gather_all import gather_all

_IN_FLIGHT: Final = 2
"""Requests under way at once: the server works on one while the next is on its way."""


class Upserts:
    """Writes to one collection, for one event loop."""

    def __init__(self, connection: WeaviateConnection, collection: str) -> None:
        self._connection = connection
        self._doing = f"writing to {collection}"
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._unanswered: set[str] = set()

    async def write(
        self, objects: Sequence[batch_pb2.BatchObject], begun: Container[str] = ()
    ) -> dict[int, PermanentError]:
        """Write all objects; return the errors of those that can never be written, by their position.

        ``begun`` are ids whose write another process may have begun; what this one has begun without an
        answer is known here. Raises UnavailableError and CredentialsError for the whole.
        """
        ids = {each.uuid for each in objects}
        unsure = [each for each in objects if each.uuid in self._unanswered or each.uuid in begun]
        self._unanswered |= ids
        if unsure:
            await self._write(list(map(with_another_vector, unsure)))
        errors = await self._write(objects)
        self._unanswered -= ids
        return errors

    async def _write(self, objects: Sequence[batch_pb2.BatchObject]) -> dict[int, PermanentError]:
        starts: list[tuple[int, list[batch_pb2.BatchObject]]] = []
        for batch in requests.batches(objects):
            starts.append((starts[-1][0] + len(starts[-1][1]) if starts else 0, batch))
        failed = await gather_all(self._write_batch(start, batch) for start, batch in starts)
        return {position: error for errors in failed for position, error in errors.items()}

    async def _write_batch(
        self, start: int, batch: Sequence[batch_pb2.BatchObject]
    ) -> dict[int, PermanentError]:
        errors: dict[int, PermanentError] = {}
        observer = self._connection.observer
        async with self._slots:
            started = time.perf_counter()
            not_taken = sorted(await self._send(batch))
            observer.wrote(len(batch), time.perf_counter() - started)
            for index in not_taken:
                again = await self._send([batch[index]])
                if not again:
                    continue
                error = object_error(again[0], self._doing)
                if not isinstance(error, PermanentError):
                    raise error
                errors[start + index] = error
        observer.not_taken(len(not_taken), len(errors))
        return errors

    async def _send(self, batch: Sequence[batch_pb2.BatchObject]) -> dict[int, str]:
        """Return what Weaviate says about the objects it did not take, by their index."""
        with translated(self._doing):
            reply: Any = await self._connection.call("BatchObjects", requests.upsert(batch))
        return {error.index: error.error for error in reply.errors}
