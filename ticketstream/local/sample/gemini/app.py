"""The sample Gemini's HTTP side: Google's two embedding methods, and a control side under /_sample."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ticketstream.local.sample.gemini import google_errors
from ticketstream.local.sample.gemini.faults import Faults
from ticketstream.local.sample.gemini.google_errors import GoogleError
from ticketstream.local.sample.gemini.messages import Fault, Limits, Stats
from ticketstream.local.sample.gemini.quota import MinuteQuota
from ticketstream.local.sample.gemini.requests import EmbedRequest, read
from ticketstream.local.sample.gemini.server import DROP
from ticketstream.local.sample.gemini.vectors import MODELS, SampleModel, SampleVectors

T = TypeVar("T")

_JSON = "application/json; charset=UTF-8"


class SampleGemini:
    """The state behind the routes. With ``api_key`` only this key is let in, else any."""

    def __init__(
        self, limits: Limits, api_key: str | None = None, vectors: SampleVectors | None = None
    ) -> None:
        self._api_key = api_key
        self._vectors = vectors or SampleVectors()
        self._quota = MinuteQuota(limits)
        self._faults = Faults()
        self._stats = Stats()

    def application(self) -> Starlette:
        """Return the ASGI application."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            self._faults.clear()

        return Starlette(
            routes=[
                Route("/{version}/models/{call:str}", self.embed, methods=["POST"]),
                Route("/_sample/health", self.health),
                Route("/_sample/stats", self.stats),
                Route("/_sample/stats/reset", self.reset_stats, methods=["POST"]),
                Route("/_sample/faults", self.add_fault, methods=["POST"]),
                Route("/_sample/faults", self.clear_faults, methods=["DELETE"]),
                Route("/_sample/limits", self.set_limits, methods=["POST"]),
            ],
            exception_handlers={GoogleError: _google_answer},
            lifespan=lifespan,
        )

    async def embed(self, request: Request) -> Response:
        """``batchEmbedContents`` and ``embedContent``."""
        self._stats.calls += 1
        self._stats.in_flight += 1
        self._stats.most_in_flight = max(self._stats.most_in_flight, self._stats.in_flight)
        try:
            return await self._embed(request)
        except GoogleError as error:
            if error.status_code == 429:
                self._stats.rate_limited += 1
            elif error.status_code < 500:
                self._stats.refused += 1
            raise
        finally:
            self._stats.in_flight -= 1

    async def _embed(self, request: Request) -> Response:
        self._check_key(request)
        name, _, method = request.path_params["call"].partition(":")
        if name not in MODELS or method not in ("batchEmbedContents", "embedContent"):
            raise google_errors.unknown_model(name, request.path_params["version"])
        batch = method == "batchEmbedContents"
        wanted = read(await request.body(), batch=batch)
        fault = self._faults.next([one.content.text for one in wanted])
        if fault is not None:
            self._stats.faults += 1
            answer = await self._early_fault(fault, name, request)
            if answer is not None:
                return answer
        model = MODELS[name]
        tokens = [self._vectors.tokens(one.content.text, model) for one in wanted]
        count = sum(map(len, tokens))
        exceeded = self._quota.take(len(wanted), count, time.monotonic())
        if exceeded is not None:
            delay = exceeded.retry_after if self._quota.limits.name_delay else None
            raise google_errors.resource_exhausted(exceeded.what, exceeded.limit, name, delay)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.slow_seconds)
        arrays = self._arrays(wanted, tokens, model, fault)
        self._stats.answered += 1
        self._stats.texts += len(wanted)
        self._stats.tokens += count
        sizes = self._stats.batch_sizes
        sizes[len(wanted)] = sizes.get(len(wanted), 0) + 1
        if not batch:
            return Response(b'{"embedding":{"values":' + arrays[0] + b"}}", media_type=_JSON)
        rows = b",".join(b'{"values":' + array + b"}" for array in arrays)
        return Response(b'{"embeddings":[' + rows + b"]}", media_type=_JSON)

    def _arrays(
        self, wanted: list[EmbedRequest], tokens: list[list[int]], model: SampleModel, fault: Fault | None
    ) -> list[bytes]:
        dimensions = wanted[0].output_dimensionality
        if any(one.output_dimensionality != dimensions for one in wanted):
            raise google_errors.invalid_argument("the requests of a batch ask for different dimensions")
        if fault is not None and fault.kind == "wrong_size":
            dimensions -= 1
        arrays = self._vectors.values(tokens, model, dimensions)
        return arrays[:-1] if fault is not None and fault.kind == "fewer_vectors" else arrays

    async def _early_fault(self, fault: Fault, model: str, request: Request) -> Response | None:
        match fault.kind:
            case "rate_limit":
                limit = self._quota.limits.requests_per_minute or 0
                raise google_errors.resource_exhausted("requests", limit, model, fault.retry_after)
            case "internal":
                raise google_errors.internal()
            case "unavailable":
                raise google_errors.unavailable()
            case "refuse":
                raise google_errors.invalid_argument("Request contains an invalid argument.")
            case "not_json":
                return Response(
                    "<!DOCTYPE html><title>Service</title><p>Come back later.", media_type="text/html"
                )
            case "drop":
                request.scope["extensions"][DROP]["cut"]()
                return Response(status_code=503)
            case "hang":
                await self._until_released(request)
                raise google_errors.unavailable()
        return None

    async def _until_released(self, request: Request) -> None:
        """Return when the faults are removed or the client has gone."""
        waits = [
            asyncio.ensure_future(self._faults.released.wait()),
            asyncio.ensure_future(request.receive()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if not key:
            raise (
                google_errors.wrong_token() if "authorization" in request.headers else google_errors.no_key()
            )
        if self._api_key is not None and key != self._api_key:
            raise google_errors.invalid_key()

    async def health(self, _: Request) -> Response:
        """Ready: the vectors are loaded."""
        return JSONResponse({"status": "ok"})

    async def stats(self, _: Request) -> Response:
        """Return Stats."""
        return Response(msgspec.json.encode(self._stats), media_type=_JSON)

    async def reset_stats(self, _: Request) -> Response:
        """Count from zero."""
        self._stats = Stats(in_flight=self._stats.in_flight)
        return JSONResponse({})

    async def add_fault(self, request: Request) -> Response:
        """Put a Fault in force."""
        self._faults.add(_decoded(await request.body(), Fault))
        return JSONResponse({})

    async def clear_faults(self, _: Request) -> Response:
        """Remove all faults; hanging calls end."""
        self._faults.clear()
        return JSONResponse({})

    async def set_limits(self, request: Request) -> Response:
        """Replace the Limits and begin a new minute."""
        self._quota = MinuteQuota(_decoded(await request.body(), Limits))
        return JSONResponse({})


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise google_errors.invalid_argument(str(error)) from None


async def _google_answer(_: Request, error: Exception) -> Response:
    if not isinstance(error, GoogleError):  # the type Starlette asks of a handler is wider
        raise error
    return JSONResponse(error.body, status_code=error.status_code)
