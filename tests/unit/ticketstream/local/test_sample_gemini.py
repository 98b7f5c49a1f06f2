"""The sample Gemini's pure parts: quota minutes, faults and vectors."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from schemas.vectors import Vector
from ticketstream.local.sample.gemini.faults import Faults
from ticketstream.local.sample.gemini.messages import Fault, Limits
from ticketstream.local.sample.gemini.quota import Exceeded, MinuteQuota
from ticketstream.local.sample.gemini.vectors import MODELS, SampleVectors

TEXTS = ["My parcel has not arrived.", "Where is the delivery of my order?", "The invoice shows a wrong tax."]


@pytest.fixture(scope="module")
def vectors() -> SampleVectors:
    return SampleVectors()


def made(vectors: SampleVectors, texts: list[str], model: str, dimensions: int) -> Vector:
    facts = MODELS[model]
    tokens = [vectors.tokens(text, facts) for text in texts]
    rows = [orjson.loads(array) for array in vectors.values(tokens, facts, dimensions)]
    return np.asarray(rows, dtype=np.float32)


def cosines(rows: Vector) -> Vector:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / lengths
    cosine: Vector = unit @ unit.T
    return cosine


def test_a_minute_holds_its_requests_and_then_starts_anew() -> None:
    quota = MinuteQuota(Limits(requests_per_minute=2, tokens_per_minute=None))
    assert quota.take(50, 10, now=5) is None
    assert quota.take(50, 10, now=6) is None
    assert quota.take(50, 10, now=45) == Exceeded("requests", 2, 20)
    assert quota.take(50, 10, now=65) is None


def test_texts_can_be_what_is_counted() -> None:
    quota = MinuteQuota(Limits(requests_per_minute=100, quota_unit="text"))
    assert quota.take(60, 0, now=0) is None
    assert quota.take(41, 0, now=0) == Exceeded("requests", 100, 60)
    assert quota.take(40, 0, now=0) is None


def test_tokens_are_counted_and_a_refused_call_uses_nothing() -> None:
    quota = MinuteQuota(Limits(requests_per_minute=2, tokens_per_minute=100))
    assert quota.take(1, 90, now=0) is None
    assert quota.take(1, 11, now=1) == Exceeded("input_token_count", 100, 59)
    assert quota.take(1, 10, now=2) is None


def test_a_minute_can_run_faster() -> None:
    quota = MinuteQuota(Limits(requests_per_minute=1, time_scale=60))
    assert quota.take(1, 1, now=10) is None
    assert quota.take(1, 1, now=10.25) == Exceeded("requests", 1, 0.75)
    assert quota.take(1, 1, now=11) is None


def test_a_fault_applies_so_often_to_what_it_names() -> None:
    faults = Faults()
    faults.add(Fault(kind="refuse", times=1, containing="poison"))
    faults.add(Fault(kind="internal"))
    assert [fault.kind for _ in range(2) if (fault := faults.next(["good"]))] == ["internal"] * 2
    kinds = [fault.kind for _ in range(2) if (fault := faults.next(["good", "a poison text"]))]
    assert kinds == ["refuse", "internal"]
    faults.clear()
    assert faults.next(["good"]) is None
    assert faults.released.is_set()


@pytest.mark.parametrize("dimensions", [768, 1536, 3072])
@pytest.mark.parametrize("model", list(MODELS))
def test_similarity_is_that_of_the_local_model(vectors: SampleVectors, model: str, dimensions: int) -> None:
    rows = made(vectors, TEXTS, model, dimensions)
    assert rows.shape == (3, dimensions)
    assert np.allclose(cosines(rows), cosines(made(vectors, TEXTS, model, 3072)), atol=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_only_the_full_size_of_001_arrives_normalised(vectors: SampleVectors) -> None:
    def length(model: str, dimensions: int) -> float:
        return float(np.linalg.norm(made(vectors, TEXTS[:1], model, dimensions)[0]))

    assert length("gemini-embedding-001", 3072) == pytest.approx(1, abs=1e-5)
    assert length("gemini-embedding-001", 768) == pytest.approx(0.5, abs=1e-5)
    assert length("gemini-embedding-2", 300) == pytest.approx(1, abs=1e-5)


def test_the_models_spaces_have_nothing_in_common(vectors: SampleVectors) -> None:
    first = made(vectors, TEXTS, "gemini-embedding-001", 3072)
    second = made(vectors, TEXTS, "gemini-embedding-2", 3072)
    assert abs(float(first[0] @ second[0])) < 0.25


def test_what_is_over_the_limit_is_cut_off_without_a_word(vectors: SampleVectors) -> None:
    long = "word " * 5000
    assert len(vectors.tokens(long, MODELS["gemini-embedding-001"])) == 2048
    assert len(vectors.tokens(long, MODELS["gemini-embedding-2"])) > 5000
    assert len(vectors.tokens(long * 2, MODELS["gemini-embedding-2"])) == 8192


def test_the_instruction_of_a_text_is_not_part_of_its_meaning(vectors: SampleVectors) -> None:
    for text in ("title: none | text: hello", "task: search result | query: hello"):
        assert vectors.tokens(text, MODELS["gemini-embedding-2"]) == vectors.tokens(
            "hello", MODELS["gemini-embedding-2"]
        )
        assert len(vectors.tokens(text, MODELS["gemini-embedding-001"])) > 3
