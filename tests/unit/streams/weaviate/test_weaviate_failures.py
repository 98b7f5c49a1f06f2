"""What Weaviate's failures mean."""

from __future__ import annotations

import grpc  # type: ignore[import-untyped]
import httpx
import pytest
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateConnectionError

from schemas.errors import (
    CredentialsError,
    InvalidVectorError,
    RefusedError,
    TicketstreamError,
    UnavailableError,
)
from streams.weaviate.failures import (
    as_error,
    is_missing_collection,
    is_missing_tenant,
    object_error,
    translated,
)


def rpc(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    empty = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, empty, empty, details)


def answer(status: int) -> UnexpectedStatusCodeError:
    return UnexpectedStatusCodeError("asked", httpx.Response(status, text="said"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (rpc(grpc.StatusCode.UNAVAILABLE, "connection refused"), UnavailableError),
        (rpc(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), UnavailableError),
        (rpc(grpc.StatusCode.UNKNOWN, "whatever it may be"), UnavailableError),
        (rpc(grpc.StatusCode.UNAUTHENTICATED, "no"), CredentialsError),
        (rpc(grpc.StatusCode.UNKNOWN, "extract auth: unauthorized: invalid api key"), CredentialsError),
        (rpc(grpc.StatusCode.PERMISSION_DENIED, "rbac"), CredentialsError),
        (answer(401), CredentialsError),
        (answer(403), CredentialsError),
        (answer(500), UnavailableError),
        (WeaviateConnectionError("refused"), UnavailableError),
        (httpx.ReadTimeout("slow"), UnavailableError),
        (TimeoutError(), UnavailableError),
    ],
)
def test_failures_of_a_call(error: BaseException, kind: type[TicketstreamError]) -> None:
    said = as_error(error, "writing")
    assert type(said) is kind
    assert "while writing" in str(said) or "forbids writing" in str(said)
    assert "\n" not in str(said)
    if kind is CredentialsError:
        assert "TICKETSTREAM_WEAVIATE__API_KEY" in str(said)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('resolve node name "node1" to host', UnavailableError),  # a server that starts or stops
        ("put object: store is closed", UnavailableError),
        (
            "new node has a vector with length 9. Existing nodes have vectors with length 8",
            InvalidVectorError,
        ),
        ("invalid date property 'created_at' on class 'C': requires a string", RefusedError),
        ("something nobody has seen", RefusedError),
        ("store is read-only", UnavailableError),
        ("shard status READONLY: disk usage too high", UnavailableError),
        ("not enough memory to import", UnavailableError),
        ("context deadline exceeded", UnavailableError),
        ("tenant not active: 'acme' is COLD", UnavailableError),
        ("class C has multi-tenancy disabled, but request was with tenant", UnavailableError),
        ("class 'C' not present in schema", UnavailableError),  # a collection that somebody has deleted
    ],
)
def test_failures_of_an_object(text: str, kind: type[TicketstreamError]) -> None:
    assert type(object_error(text, "writing")) is kind


def test_a_full_disk_is_said_clearly() -> None:
    assert "disk is full: free some space" in str(object_error("shard is read-only", "writing"))


def test_nothing_there_is_no_failure() -> None:
    tenant = rpc(grpc.StatusCode.UNKNOWN, 'object search at index c: tenant not found: "acme"')
    collection = rpc(grpc.StatusCode.UNKNOWN, "could not find class Tickets in schema")
    assert is_missing_tenant(tenant)
    assert not is_missing_tenant(collection)
    assert is_missing_collection(collection)
    assert not is_missing_collection(tenant)


def test_only_failures_of_weaviate_are_translated() -> None:
    with pytest.raises(ZeroDivisionError), translated("counting"):
        raise ZeroDivisionError
    with pytest.raises(UnavailableError, match="counting"), translated("counting"):
        raise ConnectionResetError
