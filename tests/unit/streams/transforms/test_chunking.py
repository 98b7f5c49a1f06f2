"""Chunks: every word once, in its own visibility, of bounded size, and stable."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import Visibility, content_hash
from schemas.messages.tickets import Passage
from streams.transforms.chunking import (
    MAX_BYTES,
    MIN_BYTES,
    MODEL_TOKENS,
    Chunk,
    Chunker,
    chunk_ticket,
    in_order,
    own_text,
)

VISIBILITIES: tuple[Visibility, ...] = ("public", "internal")
WORDS = st.text(alphabet="abcdeäöü漢字🙂.", min_size=1, max_size=12)
TEXTS = st.one_of(
    st.lists(WORDS, max_size=30).map(" ".join),
    st.builds(
        lambda words, times, separator: separator.join(words * times),
        st.lists(WORDS, min_size=1, max_size=20),
        st.integers(1, 40),
        st.sampled_from([" ", "\n", "\n\n", ". "]),
    ),
)
PASSAGES = st.lists(
    st.builds(
        Passage,
        comment_id=st.integers(1),
        visibility=st.sampled_from(["public", "internal"]),
        author=st.sampled_from(["", "Jane Doe", "田中"]),
        created_at=st.just("2024-01-01T00:00:00Z"),
        text=TEXTS,
        attachments=st.lists(st.just("scan.pdf"), max_size=2),
    ),
    max_size=6,
)


def passage(
    text: str, visibility: Visibility = "public", author: str = "Jane", files: Sequence[str] = ()
) -> Passage:
    return Passage(
        comment_id=1,
        visibility=visibility,
        author=author,
        created_at="2024-01-01T00:00:00Z",
        text=text,
        attachments=list(files),
    )


def blocks_of(p: Passage) -> list[str]:
    said = [f"{p.author}:{p.text}" if p.author else p.text] if p.text.strip() else []
    return said + (["Attachments:" + ",".join(p.attachments)] if p.attachments else [])


def letters(*texts: str) -> str:
    """Return the texts without blanks: where a text is cut, its blanks may differ."""
    return "".join("".join(texts).split())


def of(chunks: Sequence[Chunk], visibility: Visibility) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk.visibility == visibility]


def test_small_ticket_is_one_chunk_with_subject_authors_and_files() -> None:
    chunks = chunk_ticket(
        "Printer on fire",
        [passage("It burns.", files=["photo.jpg"]), passage("Use water.", author="Agent")],
    )
    text = "Printer on fire\n\nJane: It burns.\n\nAttachments: photo.jpg\n\nAgent: Use water."
    assert chunks == [
        Chunk(visibility="public", chunk_index=0, text=text, content_hash=content_hash(text)),
    ]


def test_public_and_internal_text_never_share_a_chunk() -> None:
    chunks = chunk_ticket("S", [passage("open"), passage("secret", "internal"), passage("more")])
    assert [(c.visibility, c.chunk_index) for c in chunks] == [("public", 0), ("internal", 0)]
    assert "secret" not in chunks[0].text
    assert "open" not in chunks[1].text


def test_subject_of_an_internal_ticket_is_internal() -> None:
    assert [c.visibility for c in chunk_ticket("Layoffs", [passage("plan", "internal")])] == ["internal"]
    assert [c.visibility for c in chunk_ticket("Layoffs", [passage("", "internal")])] == ["internal"]
    assert [c.visibility for c in chunk_ticket("Layoffs", [])] == ["internal"]


def test_ticket_without_text_is_its_subject() -> None:
    chunks = chunk_ticket(" Call me ", [passage(" \n"), passage("", "internal")])
    assert [(c.visibility, c.text) for c in chunks] == [("public", "Call me")]


def test_ticket_without_text_and_subject_has_no_chunk() -> None:
    assert chunk_ticket(" ", [passage("")]) == []


def test_long_comment_is_cut_at_paragraphs_and_each_piece_says_the_subject() -> None:
    paragraphs = [f"Paragraph {number}: " + "some words here " * 20 for number in range(12)]
    chunks = chunk_ticket("Topic", [passage("\n\n".join(paragraphs))])
    assert len(chunks) > 2
    assert all(chunk.text.startswith("Topic\n\n") for chunk in chunks)
    assert all("Paragraph" in chunk.text[:40] for chunk in chunks)


def test_sizes_no_model_takes_are_refused() -> None:
    for size in (MIN_BYTES - 1, MODEL_TOKENS + 1):
        with pytest.raises(ValueError, match="max_bytes"):
            chunk_ticket("S", [], max_bytes=size)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("x" * 65_000, id="unbroken"),
        pytest.param("漢" * 20_000, id="chinese"),
        pytest.param("a" + "\u0301" * 20_000, id="marks"),
        pytest.param("👨\u200d👩\u200d👧" * 3_000, id="families"),
        pytest.param("\ud800 lone " * 500, id="surrogates"),
        pytest.param("\x00\n \n" * 9_000, id="controls"),
    ],
)
def test_hostile_text_stays_within_the_limit(hostile: str) -> None:
    chunks = chunk_ticket(hostile, [passage(hostile, author=hostile, files=[hostile])])
    assert chunks
    assert all(0 < len(chunk.text.encode()) <= MAX_BYTES for chunk in chunks)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.just(""), WORDS), PASSAGES, st.sampled_from([MIN_BYTES, MAX_BYTES, MODEL_TOKENS]))
def test_promises(subject: str, passages: list[Passage], max_bytes: int) -> None:
    chunks = chunk_ticket(subject, passages, max_bytes=max_bytes)
    assert chunks == chunk_ticket(subject, passages, max_bytes=max_bytes)
    for visibility in VISIBILITIES:
        own = of(chunks, visibility)
        assert [chunk.chunk_index for chunk in own] == list(range(len(own)))
        # All of its own comments in their order, once, and nothing of the others.
        blocks = [block for p in passages if p.visibility == visibility for block in blocks_of(p)]
        if blocks:
            assert letters(*(chunk.text.removeprefix(subject) for chunk in own)) == letters(*blocks)
        else:
            assert not own or [chunk.text for chunk in chunks] == [subject]
    for chunk in chunks:
        assert chunk.text == chunk.text.strip() != ""
        assert len(chunk.text.encode()) <= max_bytes
        assert chunk.content_hash == content_hash(chunk.text)
        assert chunk.text.startswith(subject)


@settings(max_examples=60, deadline=None)
@given(PASSAGES, PASSAGES)
def test_new_comments_change_only_the_last_chunk(before: list[Passage], added: list[Passage]) -> None:
    old, new = chunk_ticket("Subject", before), chunk_ticket("Subject", before + added)
    for visibility in VISIBILITIES:
        old_texts = [chunk.text for chunk in of(old, visibility)]
        new_texts = [chunk.text for chunk in of(new, visibility)]
        if old_texts and old_texts != ["Subject"]:  # A subject alone gives way to the first text.
            assert new_texts[: len(old_texts) - 1] == old_texts[:-1]
            assert new_texts[len(old_texts) - 1].startswith(old_texts[-1])


@given(st.text(max_size=400), PASSAGES)
def test_a_chunk_without_its_subject_is_what_it_would_be_without_one(
    subject: str, passages: list[Passage]
) -> None:
    short = [each for each in passages if len(each.text) < 100]
    bare = {(each.visibility, each.chunk_index): each.text for each in chunk_ticket("", short)}
    chunks = chunk_ticket(subject, short)
    if len(chunks) == len(bare):
        for chunk in chunks:
            assert own_text(subject, chunk.text) == bare[chunk.visibility, chunk.chunk_index]
    elif not bare:
        assert [own_text(subject, chunk.text) for chunk in chunks] == [""]


@given(st.lists(st.tuples(st.text(max_size=900), st.booleans()), max_size=12), st.data())
@settings(max_examples=60, deadline=None)
def test_however_passages_are_shared_out_the_chunks_are_the_same(
    said: list[tuple[str, bool]], data: st.DataObject
) -> None:
    passages = [
        Passage(
            comment_id=number,
            visibility="public" if public else "internal",
            author="Ann",
            created_at="",
            text=text * 3,
        )
        for number, (text, public) in enumerate(said)
    ]
    whole = chunk_ticket("Subject", passages)
    chunks: list[Chunk] = []
    chunker = Chunker("Subject")
    left = passages
    while left:
        count = data.draw(st.integers(1, len(left)))
        chunks += chunker.add(left[:count])
        left = left[count:]
        # A worker that goes on knows the counts and what was begun, and no more.
        chunker = Chunker("Subject", counts=chunker.counts, begun=chunker.begun)
    chunks += chunker.end(public=any(public for _, public in said))
    assert in_order(chunks) == whole
