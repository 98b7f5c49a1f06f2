"""Google's error answers, word for word as the service gives them."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException

_TYPE = "type.googleapis.com/google.rpc."
_DOCS = "https://ai.google.dev/gemini-api/docs/rate-limits"


class GoogleError(HTTPException):
    """An error answer in Google's form: ``{"error": {code, message, status, details}}``."""

    def __init__(
        self, code: int, status: str, message: str, details: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(code, message)
        self.body: dict[str, Any] = {"error": {"code": code, "message": message, "status": status}}
        if details:
            self.body["error"]["details"] = details


def invalid_argument(message: str) -> GoogleError:
    """400: the request is wrong."""
    return GoogleError(400, "INVALID_ARGUMENT", message)


def invalid_key() -> GoogleError:
    """400, not 401: what Google answers to a key it does not know."""
    details = [
        {
            "@type": f"{_TYPE}ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
    ]
    message = "API key not valid. Please pass a valid API key."
    return GoogleError(400, "INVALID_ARGUMENT", message, details)


def no_key() -> GoogleError:
    """403: a call without any key."""
    return GoogleError(
        403,
        "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity). Please use API "
        "Key or other form of API consumer identity to call this API.",
    )


def wrong_token() -> GoogleError:
    """401: a bearer token in the place of a key."""
    return GoogleError(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential.",
    )


def unknown_model(model: str, version: str) -> GoogleError:
    """404: a model that cannot embed."""
    return GoogleError(
        404,
        "NOT_FOUND",
        f"models/{model} is not found for API version {version}, or is not supported for embedContent. "
        "Call ListModels to see the list of available models and their supported methods.",
    )


def internal() -> GoogleError:
    """500."""
    return GoogleError(500, "INTERNAL", "An internal error has occurred. Please retry.")


def unavailable() -> GoogleError:
    """503."""
    return GoogleError(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def resource_exhausted(what: str, limit: int, model: str, retry_after: float | None) -> GoogleError:
    """429: ``what`` is "requests" or "input_token_count"; the delay (seconds) is in RetryInfo or nowhere."""
    metric = f"generativelanguage.googleapis.com/embed_content_paid_tier_{what}"
    unit = "Requests" if what == "requests" else "InputTokens"
    message = (
        "You exceeded your current quota, please check your plan and billing details. "
        f"For more information on this error, head to: {_DOCS}.\n"
        f"* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}"
    )
    violation = {
        "quotaMetric": metric,
        "quotaId": f"EmbedContent{unit}PerMinutePerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(limit),
    }
    details: list[dict[str, Any]] = [
        {"@type": f"{_TYPE}QuotaFailure", "violations": [violation]},
        {
            "@type": f"{_TYPE}Help",
            "links": [{"description": "Learn more about Gemini API quotas", "url": _DOCS}],
        },
    ]
    if retry_after is not None:
        message += f"\nPlease retry in {retry_after:.9f}s."
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{retry_after:.3f}s"})
    return GoogleError(429, "RESOURCE_EXHAUSTED", message, details)
