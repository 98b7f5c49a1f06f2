"""Google's own client, and ours around it, against the sample Gemini over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import numpy as np
import pytest
from google import genai
from google.genai import types
from google.genai.errors import ClientError

from schemas.errors import (
    CredentialsError,
    InvalidVectorError,
    RateLimitedError,
    RefusedError,
    SettingsError,
    UnavailableError,
)
from streams.embeddings.batcher import EmbeddingBatcher
from streams.embeddings.gemini import GeminiProvider
from streams.embeddings.local import WordLlamaModel
from streams.embeddings.provider import MissingVectorsError, UnansweredError
from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from ticketstream.local.sample.gemini.app import SampleGemini
from ticketstream.local.sample.gemini.control import SampleGeminiControl
from ticketstream.local.sample.gemini.messages import FaultKind, Limits
from ticketstream.local.sample.gemini.server import build_server
from ticketstream.local.sample.gemini.vectors import SampleVectors

KEY = "sample-key"
NO_LIMITS = Limits(requests_per_minute=None, tokens_per_minute=None)
TEXTS = ["My parcel has not arrived.", "Where is the delivery of my order?", "The invoice shows a wrong tax."]
MODELS = ["gemini-embedding-001", "gemini-embedding-2"]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    vectors = SampleVectors(WordLlamaModel())
    server = build_server(SampleGemini(NO_LIMITS, KEY, vectors).application())
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        httpx.Client(transport=httpx.HTTPTransport(retries=5)).get(f"{url}/_sample/health", timeout=30)
        yield url
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
async def control(base_url: str) -> AsyncIterator[SampleGeminiControl]:
    async with SampleGeminiControl(base_url) as control:
        await control.set_limits(NO_LIMITS)
        await control.reset_stats()
        yield control
        await control.clear_faults()


@contextlib.asynccontextmanager
async def provider(
    base_url: str,
    *,
    model: str = MODELS[0],
    dimensions: int = 768,
    key: str = KEY,
    timeout: float = 10,
) -> AsyncIterator[GeminiProvider]:
    made = GeminiProvider(key, model, dimensions, base_url=base_url, timeout=timeout)
    try:
        yield made
    finally:
        await made.close()


def google(base_url: str, key: str = KEY) -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dimensions", [768, 3072])
async def test_one_normalised_vector_a_text(
    base_url: str, control: SampleGeminiControl, model: str, dimensions: int
) -> None:
    async with provider(base_url, model=model, dimensions=dimensions) as gemini:
        vectors = await gemini.embed(TEXTS, "document")
        query = await gemini.embed(["parcel delivery"], "query")
    assert vectors.shape == (3, dimensions)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.argmin(vectors @ query[0]) == 2
    stats = await control.stats()
    assert (stats.calls, stats.answered, stats.texts, stats.batch_sizes) == (2, 2, 4, {3: 1, 1: 1})


async def test_a_full_batch_is_one_call_in_order(base_url: str, control: SampleGeminiControl) -> None:
    texts = [f"ticket number {n}" for n in range(100)]
    async with provider(base_url) as gemini:
        together = await gemini.embed(texts, "document")
        alone = await gemini.embed(texts[57:58], "document")
    assert np.allclose(together[57], alone[0], atol=1e-6)
    assert (await control.stats()).batch_sizes == {100: 1, 1: 1}


async def test_no_texts_are_no_call(base_url: str, control: SampleGeminiControl) -> None:
    async with provider(base_url) as gemini:
        assert (await gemini.embed([], "document")).shape == (0, 768)
    assert (await control.stats()).calls == 0


async def test_googles_client_makes_one_vector_of_a_list_of_strings_with_the_second_model(
    base_url: str, control: SampleGeminiControl
) -> None:
    """Why every text goes into a content of its own (python-genai behaves so against Google too)."""
    client = google(base_url)
    counts = []
    for model in MODELS:
        answer = await client.aio.models.embed_content(model=model, contents=list(TEXTS))
        counts.append(len(answer.embeddings or []))
    assert counts == [3, 1]
    await client.aio.aclose()


async def test_small_vectors_of_the_first_model_arrive_unnormalised(
    base_url: str, control: SampleGeminiControl
) -> None:
    client = google(base_url)
    config = types.EmbedContentConfig(output_dimensionality=768)
    answer = await client.aio.models.embed_content(model=MODELS[0], contents="text", config=config)
    assert answer.embeddings is not None
    assert np.linalg.norm(answer.embeddings[0].values or []) == pytest.approx(0.5, abs=1e-4)
    await client.aio.aclose()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (["x"] * 101, "at most 100 requests can be in one batch"),
        (["x", ""], "contains an empty Part"),
    ],
)
async def test_googles_client_sees_googles_refusals(
    base_url: str, control: SampleGeminiControl, contents: list[str], message: str
) -> None:
    client = google(base_url)
    with pytest.raises(ClientError, match=message) as raised:
        await client.aio.models.embed_content(model=MODELS[0], contents=contents)
    assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")
    assert (await control.stats()).refused == 1
    await client.aio.aclose()


async def test_single_embeddings_and_strange_requests_get_googles_answers(base_url: str) -> None:
    async with httpx.AsyncClient(base_url=base_url, headers={"x-goog-api-key": KEY}) as http:
        path = "/v1beta/models/gemini-embedding-001:embedContent"
        one = await http.post(path, json={"content": {"parts": [{"text": "hello"}]}})
        assert len(one.json()["embedding"]["values"]) == 3072
        for body in ({}, {"content": {"parts": [{"text": "x"}]}, "outputDimensionality": 5}):
            answer = await http.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert (await http.post(path, content=b"{")).status_code == 400
    async with httpx.AsyncClient(base_url=base_url) as http:
        body = {"content": {"parts": [{"text": "hello"}]}}
        nobody = await http.post(path, json=body)
        token = await http.post(path, json=body, headers={"authorization": "Bearer x"})
        assert nobody.json()["error"]["status"] == "PERMISSION_DENIED"
        assert (nobody.status_code, token.status_code) == (403, 401)
        for wrong in ("/_sample/faults", "/_sample/limits"):
            assert (await http.post(wrong, json={"kind": 1, "time_scale": "x"})).status_code == 400


async def test_a_wrong_key_names_the_setting_and_not_the_key(base_url: str) -> None:
    async with provider(base_url, key="wrong-secret") as gemini:
        with pytest.raises(CredentialsError, match="TICKETSTREAM_GEMINI__API_KEY") as raised:
            await gemini.embed(["x"], "document")
    assert "wrong-secret" not in str(raised.value)


async def test_an_unknown_model_names_the_setting(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from streams.embeddings import gemini_models

    retired = gemini_models.GEMINI_MODELS["gemini-embedding-001"]
    monkeypatch.setitem(gemini_models.GEMINI_MODELS, "gemini-embedding-000", retired)
    async with provider(base_url, model="gemini-embedding-000") as gemini:
        with pytest.raises(SettingsError, match="TICKETSTREAM_EMBEDDING__MODEL"):
            await gemini.embed(["x"], "document")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("internal", UnavailableError),
        ("unavailable", UnavailableError),
        ("drop", UnansweredError),
        ("not_json", UnansweredError),
        ("fewer_vectors", MissingVectorsError),
        ("wrong_size", InvalidVectorError),
        ("refuse", RefusedError),
    ],
)
async def test_each_fault_is_one_clear_error_without_a_retry_of_the_sdk(
    base_url: str, control: SampleGeminiControl, kind: FaultKind, error: type[Exception]
) -> None:
    await control.add_fault(kind)
    async with provider(base_url) as gemini:
        with pytest.raises(error) as raised:
            await gemini.embed(["one", "two"], "document")
        assert type(raised.value) is error
        assert "\n" not in str(raised.value)
        stats = await control.stats()
        assert (stats.calls, stats.faults) == (1, 1)
        await control.clear_faults()
        assert (await gemini.embed(["one", "two"], "document")).shape == (2, 768)


async def test_a_slow_answer_is_the_real_one(base_url: str, control: SampleGeminiControl) -> None:
    async with provider(base_url) as gemini:
        quick = await gemini.embed(["x"], "document")
        await control.add_fault("slow", times=1, slow_seconds=0.3)
        started = time.monotonic()
        assert (await gemini.embed(["x"], "document") == quick).all()
        assert time.monotonic() - started >= 0.3


async def test_a_hanging_call_ends_with_the_timeout(base_url: str, control: SampleGeminiControl) -> None:
    await control.add_fault("hang")
    async with provider(base_url, timeout=0.2) as gemini:
        with pytest.raises(UnavailableError, match="in time"):
            await gemini.embed(["x"], "document")


async def test_a_hanging_call_ends_when_the_faults_are_removed(
    base_url: str, control: SampleGeminiControl
) -> None:
    await control.add_fault("hang")
    async with provider(base_url) as gemini:
        call = asyncio.create_task(gemini.embed(["x"], "document"))
        while not (await control.stats()).faults:
            pass
        await control.clear_faults()
        with pytest.raises(UnavailableError):
            await call


async def test_nobody_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with provider(f"http://127.0.0.1:{free.getsockname()[1]}") as gemini:
            with pytest.raises(UnavailableError, match="cannot be reached"):
                await gemini.embed(["x"], "document")


@pytest.mark.parametrize("named", [2.5, None])
async def test_a_429_carries_its_delay_or_none(
    base_url: str, control: SampleGeminiControl, named: float | None
) -> None:
    await control.add_fault("rate_limit", retry_after=named)
    async with provider(base_url) as gemini:
        with pytest.raises(RateLimitedError) as raised:
            await gemini.embed(["x"], "document")
    assert raised.value.retry_after == named


@pytest.mark.parametrize("name_delay", [True, False])
async def test_the_quota_of_requests_answers_429(
    base_url: str, control: SampleGeminiControl, name_delay: bool
) -> None:
    await control.set_limits(Limits(requests_per_minute=2, name_delay=name_delay))
    async with provider(base_url) as gemini:
        for _ in range(2):
            await gemini.embed(["x", "y"], "document")
        with pytest.raises(RateLimitedError, match="embed_content_paid_tier_requests") as raised:
            await gemini.embed(["x"], "document")
    delay = raised.value.retry_after
    assert delay is None if not name_delay else delay is not None and 50 < delay <= 60
    stats = await control.stats()
    assert (stats.calls, stats.answered, stats.rate_limited) == (3, 2, 1)


async def test_the_quota_can_count_texts_or_tokens(base_url: str, control: SampleGeminiControl) -> None:
    async with provider(base_url) as gemini:
        await control.set_limits(Limits(requests_per_minute=3, quota_unit="text"))
        await gemini.embed(["x", "y"], "document")
        with pytest.raises(RateLimitedError):
            await gemini.embed(["x", "y"], "document")
        await control.set_limits(Limits(tokens_per_minute=10))
        with pytest.raises(RateLimitedError, match="input_token_count"):
            await gemini.embed(["a text that has some more tokens than there are left"], "document")


async def test_the_batcher_stays_inside_the_quota_and_gets_everything_through(
    base_url: str, control: SampleGeminiControl
) -> None:
    """600 requests a minute in minutes of two seconds; 25 calls take less than two of them."""
    await control.set_limits(Limits(requests_per_minute=600, tokens_per_minute=None, time_scale=30))
    async with provider(base_url) as gemini:
        batcher = EmbeddingBatcher(
            gemini,
            requests=QuotaShare.whole(600 * 30),
            tokens=QuotaShare.whole(1e9),
            max_texts=20,
            in_flight=4,
        )
        tickets = [[f"ticket {n}, part {part}" for part in range(n % 7 + 1)] for n in range(125)]
        results = await asyncio.gather(*(batcher.embed(texts, lane="backfill") for texts in tickets))
        await batcher.close()
        probe = await gemini.embed(tickets[88][3:4], "document")
    assert [len(result.vectors) for result in results] == [len(texts) for texts in tickets]
    assert np.allclose(results[88].vectors[3], probe[0], atol=1e-6)
    stats = await control.stats()
    total = sum(map(len, tickets))
    assert sum(result.calls for result in results) == stats.calls - 1 == -(-total // 20)
    assert stats.rate_limited == 0
    assert stats.most_in_flight <= 4


async def test_a_storm_of_faults_loses_nothing_and_only_the_bad_text_fails(
    base_url: str, control: SampleGeminiControl
) -> None:
    await control.add_fault("refuse", containing="poison")
    await control.add_fault("rate_limit", times=2, retry_after=0.05)
    await control.add_fault("rate_limit", times=1)
    kinds: list[FaultKind] = ["internal", "unavailable", "drop", "not_json", "fewer_vectors"]
    for kind in kinds:
        await control.add_fault(kind, times=1)
    async with provider(base_url) as gemini:
        batcher = EmbeddingBatcher(
            gemini,
            requests=QuotaShare.whole(1e6),
            tokens=QuotaShare.whole(1e9),
            retry=RetryPolicy(factor=0.01),
            max_texts=10,
        )
        texts = [[f"text {n}"] for n in range(40)]
        texts[17] = ["poison"]
        results = await asyncio.gather(
            *(batcher.embed(one, lane="backfill") for one in texts), return_exceptions=True
        )
        await batcher.close()
    failed = [n for n, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed == [17]
    assert isinstance(results[17], RefusedError)
    assert batcher.counters.retries == 8
    assert batcher.counters.calls == (await control.stats()).calls
