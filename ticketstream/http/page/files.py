"""The page at ``/``: its files, as they lie in ``page/``, with their types and security headers.

All files are read when the router is made, and only what was read is ever served: no path of a request
reaches the file system.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ticketstream.http.api.problems import ProblemError

FOLDER: Final = Path(__file__).parent
INDEX: Final = "index.html"
TYPES: Final = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml; charset=utf-8",
        ".txt": "text/plain; charset=utf-8",
        ".woff2": "font/woff2",
    }
)
"""What is served; other files in the folder are not."""

POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        # The page never makes HTML of a text; with this a browser would not let it.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""The Content-Security-Policy: nothing inline, nothing from elsewhere."""

SECURITY: Final = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
)


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page; ``etag`` is made from its content."""

    content: bytes
    media_type: str
    etag: str
    cache: str


def read_files(folder: Path = FOLDER) -> dict[str, PageFile]:
    """Return the page's files by their path inside the folder, with ``/`` on every system."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            content = path.read_bytes()
            files[path.relative_to(folder).as_posix()] = PageFile(
                content,
                TYPES[path.suffix],
                f'"{hashlib.sha256(content).hexdigest()[:32]}"',
                # Everything is asked for again, and answered 304 while it is the same: the files of two
                # versions never meet in one browser. The font never changes under its name.
                "public, max-age=2592000" if path.suffix == ".woff2" else "no-cache",
            )
    return files


def page_router(folder: Path = FOLDER) -> APIRouter:
    """Return the routes of ``/`` and ``/static/…``; they are open, the page asks for the key itself."""
    files = read_files(folder)
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return _answer(request, files[INDEX])

    @router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
    async def static(path: str, request: Request) -> Response:
        found = files.get(path)
        if found is None or path == INDEX:
            raise ProblemError(404, "the page has no such file")
        return _answer(request, found)

    return router


def _answer(request: Request, file: PageFile) -> Response:
    headers = {**SECURITY, "ETag": file.etag, "Cache-Control": file.cache}
    if _known(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _known(said: str, etag: str) -> bool:
    """Return whether an If-None-Match names this version; a proxy may have made the tag a weak one."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in said.split(","))
