"""``/api/v2/incremental/tickets/cursor.json``: the export of changed tickets."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, Final

from ticketstream.local.sample.zendesk.account import Account
from ticketstream.local.sample.zendesk.order import key, unkey
from ticketstream.local.sample.zendesk.paging import quoted
from ticketstream.local.sample.zendesk.responses import ApiError, invalid_value

MAX_PER_PAGE: Final = 1_000
PATH: Final = "/api/v2/incremental/tickets/cursor.json"


def encode_pair(second: int, record_id: int) -> str:
    """Return the opaque cursor after a record, in the recorded form."""
    return base64.b64encode(f"{second}.0||{record_id}|".encode()).decode()


def decode_pair(cursor: str) -> tuple[int, int]:
    """Return the second and the id of a cursor; raises ApiError for one no export ever gave."""
    try:
        second, _, rest = base64.b64decode(cursor, validate=True).decode().partition(".0||")
        return int(second), int(rest.rstrip("|"))
    except (binascii.Error, ValueError) as error:
        raise invalid_value("cursor is not valid") from error


def encode(place: int) -> str:
    """Return the cursor of a place in the order of the export."""
    return encode_pair(*unkey(place))


def decode(cursor: str) -> int:
    """Return the place of a cursor; raises ApiError for one the export never gave."""
    return key(*decode_pair(cursor))


def horizon(now: float, delay: float) -> int:
    """Return the first second not exported yet: an exported one has been over for ``delay`` seconds."""
    return math.floor(now - delay)


def start_place(text: str | None, now: float, delay: float) -> int:
    """Return the place just before ``start_time``; raises ApiError when it is missing or too recent."""
    if text is None:
        raise ApiError(400, {"error": "MissingParameter", "description": "start_time or cursor is required"})
    if not text.lstrip("-").isdecimal():
        raise invalid_value("start_time must be a Unix timestamp")
    start = int(text)
    if start > now - delay:
        raise ApiError(
            400,
            {
                "error": "StartTimeTooRecent",
                "description": f"Too recent start_time. Use a start_time older than {delay:g} seconds",
            },
        )
    return key(max(0, start), 0)


def page(
    account: Account, place: int, per_page: int, delay: float, base_url: str, resumed: bool
) -> dict[str, Any]:
    """Return a page of at most ``per_page`` rows after a place.

    A page that goes on from a cursor repeats a few rows of the page before, now and then: what one
    must expect of the export, and always at the same places.
    """
    repeats = _repeats(place, per_page) if resumed else 0
    before = account.order.before(place, repeats) if repeats else []
    places, more = account.order.after(place, per_page - len(before), horizon(account.clock(), delay))
    last = places[-1] if places else place
    shown = before + places if places else []
    rows = []
    for spot in shown:
        generated, ticket_id = unkey(spot)
        rows.append({**account.row(ticket_id), "generated_timestamp": generated})
    cursor = encode(last)
    url = f"{base_url}{PATH}?cursor="
    return {
        "tickets": rows,
        "after_url": f"{url}{quoted(cursor)}&per_page={per_page}",
        "before_url": f"{url}{quoted(encode(place))}&per_page={per_page}" if resumed else None,
        "after_cursor": cursor,
        "before_cursor": encode(place) if resumed else None,
        "end_of_stream": not more,
    }


def _repeats(place: int, per_page: int) -> int:
    draw = place * 2_654_435_761 >> 7
    return 0 if draw % 3 else min(1 + draw // 3 % 5, per_page // 4)
