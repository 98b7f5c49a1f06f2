"""What Gemini's answers mean, from their bodies alone."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai.errors import APIError

from schemas.errors import (
    CredentialsError,
    RateLimitedError,
    RefusedError,
    SettingsError,
    TicketstreamError,
    UnavailableError,
)
from streams.embeddings.gemini_errors import retry_delay, translated


def answer(code: int, status: str = "", *details: Any) -> APIError:
    body = {"error": {"code": code, "status": status, "message": "said\nso", "details": list(details)}}
    return APIError(code, body)


@pytest.mark.parametrize(
    ("error", "kind", "named"),
    [
        (answer(429, "RESOURCE_EXHAUSTED"), RateLimitedError, "fewer calls"),
        (answer(401, "UNAUTHENTICATED"), CredentialsError, "TICKETSTREAM_GEMINI__API_KEY"),
        (answer(403, "PERMISSION_DENIED"), CredentialsError, "TICKETSTREAM_GEMINI__API_KEY"),
        (
            answer(400, "INVALID_ARGUMENT", {"@type": "x", "reason": "API_KEY_INVALID"}),
            CredentialsError,
            "TICKETSTREAM_GEMINI__API_KEY",
        ),
        (answer(400, "FAILED_PRECONDITION"), CredentialsError, "project"),
        (answer(400, "INVALID_ARGUMENT"), RefusedError, "refused the texts"),
        (answer(413), RefusedError, "413"),
        (answer(404, "NOT_FOUND"), SettingsError, "TICKETSTREAM_EMBEDDING__MODEL"),
        (answer(408), UnavailableError, "408"),
        (answer(500, "INTERNAL"), UnavailableError, "500"),
        (answer(503, "UNAVAILABLE"), UnavailableError, "503"),
        (answer(302), UnavailableError, "302"),
    ],
)
def test_each_status_has_its_error(error: APIError, kind: type[TicketstreamError], named: str) -> None:
    meant = translated(error, "some-model")
    assert type(meant) is kind
    assert named in str(meant)
    assert "\n" not in str(meant)


@pytest.mark.parametrize(
    ("delay", "seconds"), [("26s", 26.0), ("0.25s", 0.25), ("soon", None), ("", None), (None, None)]
)
def test_the_delay_of_a_429_stands_in_its_body(delay: str | None, seconds: float | None) -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    meant = translated(answer(429, "RESOURCE_EXHAUSTED", {"@type": "other"}, detail), "m")
    assert isinstance(meant, RateLimitedError)
    assert meant.retry_after == seconds


@pytest.mark.parametrize(
    "body", [None, [], "text", {"error": "text"}, {"error": {"details": "text"}}, {"message": "page"}]
)
def test_a_strange_body_names_no_delay(body: Any) -> None:
    assert retry_delay(body) is None
