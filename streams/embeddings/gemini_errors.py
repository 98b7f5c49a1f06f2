"""What Gemini's error answers mean, in ticketstream's own errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from google.genai.errors import APIError

from schemas.errors import (
    CredentialsError,
    RateLimitedError,
    RefusedError,
    SettingsError,
    TicketstreamError,
    UnavailableError,
    quoting,
)

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)s")
_KEY: Final = "TICKETSTREAM_GEMINI__API_KEY"


def translated(error: APIError, model: str) -> TicketstreamError:
    """Return the error to raise for an answer that is no success.

    Source of the statuses: https://ai.google.dev/gemini-api/docs/troubleshooting and the types of
    google.rpc.error_details. The delay of a 429 stands in the body (RetryInfo) or nowhere.
    """
    said = _line(error.message)
    if error.code == 429:
        return RateLimitedError(f"Gemini asked for fewer calls: {said}", retry_delay(error.details))
    if error.code in (401, 403) or (error.code == 400 and "API_KEY_INVALID" in reasons(error.details)):
        return CredentialsError(f"Gemini refused the key ({error.code}: {said}): check {_KEY}")
    if error.code == 400 and error.status == "FAILED_PRECONDITION":
        # The country or the billing of the project, not the texts.
        return CredentialsError(f"Gemini refused the project of the key ({said}): check {_KEY}")
    if error.code == 404:
        return SettingsError(f"Gemini has no model {model!r} ({said}): check TICKETSTREAM_EMBEDDING__MODEL")
    if error.code == 408 or error.code >= 500 or error.code < 400:
        return quoting(UnavailableError(f"Gemini is not available ({error.code}: {said})"), said)
    return quoting(RefusedError(f"Gemini refused the texts ({error.code}: {said})", error.code), said)


def retry_delay(body: Any) -> float | None:
    """Return the seconds a 429's RetryInfo asks to wait, or None when it names none."""
    for detail in _details(body):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            match = _DURATION.fullmatch(str(detail.get("retryDelay", "")))
            if match:
                return float(match[1])
    return None


def reasons(body: Any) -> set[str]:
    """Return the reasons that the ErrorInfo details of an error answer give."""
    return {str(detail["reason"]) for detail in _details(body) if "reason" in detail}


def _details(body: Any) -> Iterator[dict[str, Any]]:
    error = body.get("error", body) if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    if isinstance(details, list):
        yield from (detail for detail in details if isinstance(detail, dict))


def _line(message: object) -> str:
    """Return the message as one short line."""
    return " ".join(str(message or "no message").split())[:300]
