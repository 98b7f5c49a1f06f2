"""The FastAPI app: routers, problem documents, a time limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI

from ticketstream.http.problems import install_problems
from ticketstream.http.time_limit import TimeLimit

REQUEST_SECONDS: Final = 15.0
Around = Callable[[], AbstractAsyncContextManager[None]]


def create_app(
    routers: Iterable[APIRouter], *, around: Around | None = None, request_seconds: float = REQUEST_SECONDS
) -> FastAPI:
    """Return the app with these routers; what it serves with is opened and closed by ``around``.

    No request takes longer than ``request_seconds``. The interactive documentation is left out: it
    loads scripts from elsewhere.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if around is None:
            yield
        else:
            async with around():
                yield

    app = FastAPI(title="ticketstream", docs_url=None, redoc_url=None, lifespan=lifespan)
    install_problems(app)
    for router in routers:
        app.include_router(router)
    app.add_middleware(TimeLimit, seconds=request_seconds)
    return app
