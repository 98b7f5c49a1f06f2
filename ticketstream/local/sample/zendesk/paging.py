"""Zendesk's two ways through a list: cursor paging (``page[size]``) and offset paging (``page``)."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
from starlette.requests import Request

from ticketstream.local.sample.zendesk.responses import invalid_value, too_many_values

MAX_PAGE: Final = 100
_BRACKETS: Final = (("%5B", "%5D"), ("%5b", "%5d"), ("[", "]"))
_CURSORS: Final = tuple(f"page{a}{name}{b}=" for name in ("after", "before") for a, b in _BRACKETS)


class CursorPage(NamedTuple):
    """What of a list a cursor page shows, by position, and the rest of its answer."""

    start: int
    stop: int
    extra: dict[str, Any]


def encode_cursor(order: str, value: int) -> str:
    """Return an opaque cursor for a value of the sort key."""
    return base64.b64encode(orjson.dumps({"o": order, "v": str(value)})).decode()


def decode_cursor(order: str, cursor: str) -> int:
    """Return the value of a cursor; raises ApiError for one this list never gave."""
    try:
        found = orjson.loads(base64.b64decode(cursor, validate=True))
        if found["o"] != order:
            raise ValueError("the cursor belongs to another order")
        return int(found["v"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise invalid_value("page[after] is not valid") from error


def page_size(request: Request) -> int | None:
    """Return ``page[size]``, None when the caller did not choose cursor paging."""
    text = request.query_params.get("page[size]")
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
        raise invalid_value(f"page[size] must be between 1 and {MAX_PAGE}")
    return int(text)


def cursor_page(request: Request, size: int, keys: Sequence[int], order: str) -> CursorPage:
    """Cut a page out of a list whose ascending keys are given.

    As recorded, ``links.next`` and ``after_cursor`` are there on the last page too: only
    ``has_more`` says where to stop.
    """
    query = request.query_params
    after, before = query.get("page[after]"), query.get("page[before]")
    start, stop = 0, len(keys)
    if after is not None:
        value = decode_cursor(order, after)
        start = bisect_right(keys, value)
        stop = min(len(keys), start + size)
        more = stop < len(keys)
    elif before is not None:
        stop = bisect_right(keys, decode_cursor(order, before) - 1)
        start = max(0, stop - size)
        more = start > 0
    else:
        stop = min(len(keys), size)
        more = stop < len(keys)
    if start >= stop:
        meta = {"has_more": False, "after_cursor": None, "before_cursor": None}
        return CursorPage(start, start, {"meta": meta, "links": {"prev": None, "next": None}})
    first = encode_cursor(order, keys[start])
    last = first if stop == start + 1 else encode_cursor(order, keys[stop - 1])
    base = _without_cursor(request)
    return CursorPage(
        start,
        stop,
        {
            "meta": {"has_more": more, "after_cursor": last, "before_cursor": first},
            "links": {
                "prev": f"{base}page%5Bbefore%5D={quoted(first)}",
                "next": f"{base}page%5Bafter%5D={quoted(last)}",
            },
        },
    )


def offset_page(request: Request, count: int) -> CursorPage:
    """Cut a page by ``page`` and ``per_page`` (at most 100)."""
    number, size = _number(request, "page", 1), min(MAX_PAGE, _number(request, "per_page", MAX_PAGE))
    start = min(count, (number - 1) * size)
    stop = min(count, start + size)
    base = f"{root(request)}{request.scope['path']}?per_page={size}&page="
    return CursorPage(
        start,
        stop,
        {
            "next_page": f"{base}{number + 1}" if stop < count else None,
            "previous_page": f"{base}{number - 1}" if number > 1 else None,
            "count": count,
        },
    )


def ids_of(request: Request) -> list[int]:
    """Return the numbers of ``ids``; raises ApiError for more than 100 or for something else."""
    parts = [part for part in request.query_params.get("ids", "").split(",") if part.strip()]
    if len(parts) > MAX_PAGE:
        raise too_many_values()
    if not all(part.strip().isdecimal() for part in parts):
        raise invalid_value("ids must be a list of numbers")
    return [int(part) for part in parts]


def root(request: Request) -> str:
    """Return where the caller reached this server, so that links lead back to it."""
    return f"http://{request.headers.get('host', '127.0.0.1')}"


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise invalid_value(f"{name} must be a number from 1 on")
    return int(text)


def quoted(cursor: str) -> str:
    """Return a base64 text as it stands in a query."""
    return cursor.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def _without_cursor(request: Request) -> str:
    """The address asked for, without its cursor and ready for another one."""
    query: bytes = request.scope["query_string"]
    kept = [part for part in query.decode("latin-1").split("&") if part and not part.startswith(_CURSORS)]
    return f"{root(request)}{request.scope['path']}?{'&'.join([*kept, ''])}"
