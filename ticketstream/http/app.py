"""The FastAPI app: routers, the key, problem documents, limits of time and size, the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI

from ticketstream.http.access.api_key import ApiKey
from ticketstream.http.access.guard import Guard
from ticketstream.http.access.session import PATH as SESSION_PATH
from ticketstream.http.access.size_limit import SizeLimit
from ticketstream.http.access.time_limit import TimeLimit
from ticketstream.http.api.openapi import describe
from ticketstream.http.api.problems import install_problems
from ticketstream.http.webhooks.receiver import PATH as WEBHOOKS_PATH

REQUEST_SECONDS: Final = 15.0
REQUEST_BYTES: Final = 256 * 1024
OPEN_PATHS: Final = ("/", "/healthz", "/readyz", WEBHOOKS_PATH, SESSION_PATH)
OPEN_FOLDERS: Final = ("/static/",)
"""The page: it holds nothing, and asks for the key."""
Around = Callable[[], AbstractAsyncContextManager[None]]


def create_app(
    routers: Iterable[APIRouter],
    *,
    key: ApiKey,
    around: Around | None = None,
    request_seconds: float = REQUEST_SECONDS,
    longer: Mapping[str, float] | None = None,
) -> FastAPI:
    """Return the app with these routers; what it serves with is opened and closed by ``around``.

    Everything but OPEN_PATHS and OPEN_FOLDERS needs the key. No request takes longer than
    ``request_seconds``, or what ``longer`` says for its path, but streams of events. The interactive
    documentation is left out: it loads scripts from elsewhere.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if around is None:
            yield
        else:
            async with around():
                yield

    app = FastAPI(
        title="ticketstream",
        version=version("ticketstream"),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    included = tuple(routers)
    install_problems(app, [*app.routes, *(route for router in included for route in router.routes)])
    for router in included:
        app.include_router(router)
    app.openapi = describe(app, OPEN_PATHS)  # type: ignore[method-assign]
    # The last one added is the first to see a request.
    app.add_middleware(TimeLimit, seconds=request_seconds, longer=longer)
    app.add_middleware(SizeLimit, most=REQUEST_BYTES, except_for=(WEBHOOKS_PATH,))
    app.add_middleware(Guard, key=key, open_paths=OPEN_PATHS, open_folders=OPEN_FOLDERS)
    return app
