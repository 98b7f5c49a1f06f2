"""Providers without a network: the local one, the checks all share, and the choice by settings."""

from __future__ import annotations

import asyncio
import base64
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from schemas.errors import InvalidVectorError, RefusedError, SettingsError, UnavailableError
from schemas.settings.load import Settings
from streams.embeddings.build import build_provider
from streams.embeddings.gemini import GeminiProvider
from streams.embeddings.local import LocalProvider, WordLlamaModel
from streams.embeddings.provider import MissingVectorsError, SomeInvalidError, checked_vectors, sendable_texts
from streams.embeddings.tokens import estimate_tokens

ORDER = "My parcel has not arrived yet, where is my order?"
DELIVERY = "The delivery of the package is late."
INVOICE = "Please correct the tax number on the invoice."


@pytest.fixture(scope="module")
def wordllama() -> WordLlamaModel:
    return WordLlamaModel()


async def test_local_vectors_have_length_one_and_carry_meaning(wordllama: WordLlamaModel) -> None:
    vectors = await LocalProvider(wordllama).embed([ORDER, DELIVERY, INVOICE], "document")
    assert vectors.shape == (3, 256)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


async def test_a_text_has_the_same_vector_in_any_company(wordllama: WordLlamaModel) -> None:
    provider = LocalProvider(wordllama)
    alone = await provider.embed([ORDER], "query")
    among = await provider.embed(["x", ORDER, "long " * 3000], "document")
    assert (alone[0] == among[1]).all()


async def test_local_vectors_are_wordllamas_own(wordllama: WordLlamaModel) -> None:
    import wordllama as library

    original = library.WordLlama.load(cache_dir=Path(library.__file__).parent, disable_download=True)
    ours = await LocalProvider(wordllama).embed([ORDER, DELIVERY], "document")
    assert np.allclose(ours, original.embed([ORDER, DELIVERY], norm=True), atol=1e-6)


async def test_big_batches_leave_the_event_loop_free(wordllama: WordLlamaModel) -> None:
    provider = LocalProvider(wordllama)
    await provider.embed(["ready"], "query")
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(other_work())
    await asyncio.sleep(0)
    before = turns
    await provider.embed([ORDER * 20] * 100, "document")
    other.cancel()
    assert turns - before > 3


def test_loading_the_model_leaves_logging_alone() -> None:
    """In a process of its own: the library is imported once, and pytest has handlers."""
    code = (
        "import logging; from streams.embeddings.local import WordLlamaModel; "
        "WordLlamaModel().tokens('x'); root = logging.getLogger(); print(root.handlers, root.level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "30"]


def test_a_lone_surrogate_becomes_sendable() -> None:
    assert sendable_texts(["a\ud800b", "ü😀"], 2) == ["a?b", "ü😀"]


@pytest.mark.parametrize("texts", [["good", ""], [" \n"], ["x"] * 3])
def test_calls_that_must_not_be_sent_are_refused(texts: list[str]) -> None:
    with pytest.raises(RefusedError):
        sendable_texts(texts, 2)


def test_checked_vectors_are_normalised() -> None:
    vectors = checked_vectors([[3.0, 4.0], [0.0, 2.0]], 2, 2)
    assert vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 1.0]]
    assert checked_vectors([], 0, 5).shape == (0, 5)


def test_wrong_vectors_are_told_apart() -> None:
    with pytest.raises(UnavailableError, match="2 texts with 1 vectors"):
        checked_vectors([[1.0, 0.0]], 2, 2)
    with pytest.raises(InvalidVectorError, match="EMBEDDING__DIMENSIONS") as every:
        checked_vectors([[1.0], [1.0]], 2, 2)
    assert type(every.value) is InvalidVectorError
    with pytest.raises(InvalidVectorError, match="no number"):
        checked_vectors([[float("nan"), 0.0]], 1, 2)


def test_unusable_vectors_are_told_from_the_others_of_their_answer() -> None:
    with pytest.raises(SomeInvalidError) as some:
        checked_vectors([[3.0, 4.0], [1.0], [0.0, 2.0], [float("inf"), 0.0]], 4, 2)
    assert some.value.vectors[[0, 2]].tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 1.0]]
    assert set(some.value.reasons) == {1, 3}
    assert "1 dimensions where 2" in some.value.reasons[1]
    assert "no number" in some.value.reasons[3]


@pytest.mark.parametrize(
    "text",
    [
        "My order 4711 has not arrived yet and the tracking page shows an error. Please help me!",
        "Guten Tag, meine Bestellung ist leider immer noch nicht angekommen. Können Sie das prüfen?",
        "Здравствуйте, мой заказ до сих пор не пришёл. Проверьте пожалуйста.",
        "您好，我的订单还没有到，请帮我查一下物流信息。谢谢。",
        "2024-11-22 17:45:01,123 ERROR com.acme.Foo$Bar - NullPointerException at Foo.java:123",
        "0815 4711 192.168.0.1:8080 20240101T120000Z",
        base64.b64encode(random.Random(0).randbytes(300)).decode(),
    ],
)
def test_estimates_are_never_grossly_too_low(text: str, wordllama: WordLlamaModel) -> None:
    """Llama's tokenizer has 32,000 words, Gemini's 256,000: Gemini counts less, never much more."""
    assert 0.4 <= estimate_tokens(text) / len(wordllama.tokens(text)) <= 1.5


def test_an_estimate_is_at_least_one() -> None:
    assert estimate_tokens("") == 1
    assert estimate_tokens("\ud800") == 1


def settings(**groups: Any) -> Settings:
    return Settings(_env_file=None, **groups)


async def test_the_settings_choose_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TICKETSTREAM_GEMINI__API_KEY", "TICKETSTREAM_EMBEDDING__PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    local = build_provider(settings())
    assert (local.model, local.dimensions) == ("wordllama", 256)
    gemini = build_provider(settings(gemini={"api_key": "secret"}))
    assert isinstance(gemini, GeminiProvider)
    assert (gemini.model, gemini.dimensions) == ("gemini-embedding-001", 768)
    assert (gemini.max_texts, gemini.max_tokens) == (100, 2048)
    second = build_provider(
        settings(gemini={"api_key": "secret"}, embedding={"model": "gemini-embedding-2", "dimensions": 3072})
    )
    assert (second.model, second.dimensions, second.max_tokens) == ("gemini-embedding-2", 3072, 8192)
    for provider in (local, gemini, second):
        await provider.close()


@pytest.mark.parametrize(
    ("groups", "named"),
    [
        ({"embedding": {"provider": "gemini"}}, "TICKETSTREAM_GEMINI__API_KEY"),
        ({"embedding": {"provider": "local", "dimensions": 768}}, "TICKETSTREAM_EMBEDDING__DIMENSIONS"),
        ({"embedding": {"provider": "local", "model": "big"}}, "TICKETSTREAM_EMBEDDING__MODEL"),
        (
            {"gemini": {"api_key": "secret"}, "embedding": {"dimensions": 64}},
            "TICKETSTREAM_EMBEDDING__DIMENSIONS",
        ),
        (
            {"gemini": {"api_key": "secret"}, "embedding": {"model": "wordllama"}},
            "TICKETSTREAM_EMBEDDING__MODEL",
        ),
    ],
)
def test_settings_that_cannot_work_are_named(groups: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as raised:
        build_provider(settings(**groups))
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (None, InvalidVectorError),
        ([1.0] * 767 + [None], MissingVectorsError),
        ({"0": 1.0}, MissingVectorsError),
        ([[1.0]] * 768, MissingVectorsError),
        ([1e300] * 768, InvalidVectorError),
    ],
)
async def test_an_odd_vector_is_found_among_the_others_and_not_waited_for(
    values: Any, error: type[Exception]
) -> None:
    """Missing vectors are tried a few times; then the texts are halved until the odd one is alone."""
    provider = build_provider(
        settings(gemini={"api_key": "secret", "base_url": "http://gemini.test"}),
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, json={"embeddings": [{"values": [1.0] * 768}, {"values": values}]})
        ),
    )
    with pytest.raises(error):
        await provider.embed(["text", "odd"], "document")
    await provider.close()


async def test_the_transport_reaches_the_client() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "gemini.test"
        return httpx.Response(200, json={"embeddings": [{"values": [1.0] + [0.0] * 767}]})

    provider = build_provider(
        settings(gemini={"api_key": "secret", "base_url": "http://gemini.test"}),
        transport=httpx.MockTransport(answer),
    )
    assert (await provider.embed(["text"], "query")).shape == (1, 768)
    await provider.close()
