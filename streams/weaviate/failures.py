"""What Weaviate's and its client's failures mean: try again, mend the login, or never."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc  # type: ignore[import-untyped]
import httpx
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateBaseError

from schemas.errors import (
    CredentialsError,
    InvalidVectorError,
    PermanentError,
    RefusedError,
    TicketstreamError,
    UnavailableError,
    quoting,
)
from schemas.settings.load import PREFIX

# Weaviate says nearly everything with the status UNKNOWN, so its words have to tell.
_LOGIN: Final = re.compile(r"extract auth|unauthenticated|unauthorized|anonymous access", re.IGNORECASE)
# The second is how 1.35 answers a delete in a read-only shard: it stumbles over its own error list.
_READ_ONLY: Final = re.compile(r"read[-_ ]?only|batch delete reply: failed to parse hex", re.IGNORECASE)
_FOREIGN: Final = re.compile(r"multi-tenancy (?:is )?(?:disabled|not enabled)", re.IGNORECASE)
_NO_TENANT: Final = re.compile(r"tenant not found|tenant .* (?:does not exist|not found)", re.IGNORECASE)
# The last but one is how a write learns it where Weaviate makes no collections by itself.
_NO_COLLECTION: Final = re.compile(
    r"could not find class|class .* (?:not found|does not exist)|class .* not present in schema"
    r"|has multi-tenancy disabled",
    re.IGNORECASE,
)
_VECTOR: Final = re.compile(r"vector (?:with )?length|vector lengths|dimensions", re.IGNORECASE)
_PASSING: Final = re.compile(
    r"unavailable|deadline|time[- ]?out|timed out|cancel|connection|connect:|broken pipe|\bEOF\b|no such host"
    r"|not enough memory|out of memory|memory pressure|no space left|disk|too many|overloaded|rate limit"
    r"|shutting down|shutdown|not ready|loading|initiali[sz]ing|not (?:yet )?active|leader|replica|quorum"
    # Weaviate's nodes find each other some moments after its doors are open.
    r"|resolve node|node name|memberlist|\braft\b|\bcluster\b|to host\b|(?:is|already) clos(?:ed|ing)"
    r"|inactive|\bcold\b|freez|frozen|tenant not found",
    re.IGNORECASE,
)


def is_missing_tenant(error: BaseException) -> bool:
    """Tell whether the failure only says that nothing was ever written for the account."""
    return bool(_NO_TENANT.search(_text(error)))


def is_missing_collection(error: BaseException) -> bool:
    """Tell whether the failure says that there is no such collection or alias."""
    return bool(_NO_COLLECTION.search(_text(error)))


def as_error(error: BaseException, doing: str) -> TicketstreamError:
    """Return the failure of a whole call as one of our errors; ``doing`` says what was tried.

    What is not about the login can succeed later: no single object is to blame.
    """
    if isinstance(error, TicketstreamError):
        return error
    code = error.code() if isinstance(error, grpc.aio.AioRpcError) else None
    status = error.status_code if isinstance(error, UnexpectedStatusCodeError) else None
    text = _text(error)
    key = f"{PREFIX}WEAVIATE__API_KEY"
    vague = code in {None, grpc.StatusCode.UNKNOWN}
    if code == grpc.StatusCode.UNAUTHENTICATED or status == 401 or (vague and _LOGIN.search(text)):
        return CredentialsError(f"Weaviate refused the login while {doing}: set the right {key} ({text})")
    if code == grpc.StatusCode.PERMISSION_DENIED or status == 403:
        return CredentialsError(f"Weaviate forbids {doing}: give {key} a key that may ({text})")
    return UnavailableError(_passing(text, doing))


def object_error(text: str, doing: str) -> PermanentError | UnavailableError:
    """Return what Weaviate said about a single object as one of our errors."""
    return quoting(_object_error(_short(text), doing), _short(text))


def _object_error(text: str, doing: str) -> PermanentError | UnavailableError:
    if _READ_ONLY.search(text) or _FOREIGN.search(text):
        return UnavailableError(_passing(text, doing))
    if _VECTOR.search(text):
        return InvalidVectorError(f"Weaviate refused the vector while {doing}: {text}")
    if _PASSING.search(text) or _NO_COLLECTION.search(text):  # a lost collection is made anew
        return UnavailableError(_passing(text, doing))
    return RefusedError(f"Weaviate refused the object while {doing}: {text}")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what fails inside as one of our errors: CredentialsError or UnavailableError."""
    try:
        yield
    except (grpc.aio.AioRpcError, WeaviateBaseError, httpx.HTTPError, TimeoutError, OSError) as error:
        raise as_error(error, doing) from error


def _passing(text: str, doing: str) -> str:
    if _READ_ONLY.search(text):
        return (
            f"Weaviate is read-only while {doing}, most likely because its disk is full: "
            f"free some space, then set the shard back to READY ({text})"
        )
    if _FOREIGN.search(text):
        return (
            f"Weaviate's collection was not made by ticketstream (it has no tenants), found {doing}: "
            f"delete it, and it is made anew ({text})"
        )
    return f"Weaviate cannot be used while {doing}: {text}"


def _text(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return _short(f"{error.code().name}: {error.details()}")
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return _short(str(error) or type(error).__name__)


def _short(text: str) -> str:
    return " ".join(text.split())[:400]
