"""A request's body, read no further than it may be long, and no longer than it may take."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request


class BodyTooLargeError(Exception):
    """The body is over the limit; what is left of it was not read."""


class BodyTooSlowError(Exception):
    """The body did not come in time."""


class BodyCutError(Exception):
    """Whoever sent it went away."""


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """Return the body.

    Raises BodyTooLargeError over ``most`` bytes (by what its header says, without reading any),
    BodyTooSlowError after ``seconds``, and BodyCutError.
    """
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and (len(said) > 18 or int(said) > most):
        raise BodyTooLargeError
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise BodyTooLargeError
    except TimeoutError:
        raise BodyTooSlowError from None
    except ClientDisconnect:
        raise BodyCutError from None
    return bytes(body)
