"""A ticket's text in pieces that an embedding model takes and a reader can use.

- A chunk holds public or internal text, never both.
- Comments of one visibility fill chunks in their order, so that a small ticket has few chunks, and
  a new comment changes none but the last chunk of its visibility.
- Every chunk starts with the subject: a piece from the middle of a long ticket still says what it is
  about. A ticket without any public comment is internal, its subject too.
- Sizes are UTF-8 bytes. No tokenizer makes more tokens of a text than it has bytes, so a chunk never
  exceeds a model's 2,048 tokens, in any language; and bytes say more evenly than characters how much a
  text says (a Chinese character takes three bytes and says about as much as three Latin letters).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, get_args

import msgspec
from semantic_text_splitter import TextSplitter

from schemas.ids import Visibility, content_hash
from schemas.messages.tickets import Passage
from streams.transforms.text import clean_text

CHUNKER_VERSION: Final = 1
"""Part of the collection's name: raise it whenever the same ticket would be cut differently."""

MAX_BYTES: Final = 1_400
"""About 250 English words: small enough for one topic, large enough to answer with."""
MIN_BYTES: Final = 600
MODEL_TOKENS: Final = 2_048
"""The smallest input limit of the supported models (gemini-embedding-001)."""

_SUBJECT_BYTES: Final = 300
_AUTHOR_BYTES: Final = 100
_ATTACHMENTS_BYTES: Final = 2_000
_BREAK: Final = "\n\n"
# The splitter's time grows with the square of an unbroken run, so long texts are handed over in parts.
_PART_CHARACTERS: Final = 6_000


class Chunk(msgspec.Struct, kw_only=True, frozen=True):
    """A piece of a ticket. ``chunk_index`` counts from 0 in each visibility."""

    visibility: Visibility
    chunk_index: int
    text: str
    content_hash: str


Begun = dict[Visibility, list[str]]
"""The texts in the last chunk of each visibility, to which more may be added."""


class Chunker:
    """Cuts a ticket's passages as they come; the chunks are the same however the passages are shared out.

    ``counts`` and ``begun`` are those of a chunker that this one goes on for. Raises ValueError when
    ``max_bytes`` is not between 600 and 2,048.
    """

    def __init__(
        self,
        subject: str,
        *,
        max_bytes: int = MAX_BYTES,
        counts: Mapping[Visibility, int] | None = None,
        begun: Begun | None = None,
    ) -> None:
        if not MIN_BYTES <= max_bytes <= MODEL_TOKENS:
            raise ValueError(f"max_bytes is {max_bytes}; a chunk takes {MIN_BYTES} to {MODEL_TOKENS} bytes")
        self._head = _line(subject, _SUBJECT_BYTES)
        room = max_bytes - _size(self._head) - len(_BREAK)
        begun = begun or {}
        self._bodies = {each: _Bodies(room, begun.get(each, [])) for each in get_args(Visibility)}
        self.counts: dict[Visibility, int] = {
            each: (counts or {}).get(each, 0) for each in get_args(Visibility)
        }
        """How many chunks there are so far."""

    @property
    def begun(self) -> Begun:
        """What the next chunks begin with."""
        return {each: list(bodies.blocks) for each, bodies in self._bodies.items() if bodies.blocks}

    def add(self, passages: Iterable[Passage]) -> list[Chunk]:
        """Return the chunks that these passages complete, public ones first."""
        own = list(passages)
        chunks = []
        for visibility, bodies in self._bodies.items():
            for passage in own:
                if passage.visibility == visibility:
                    for block in _blocks(passage):
                        chunks += [self._next(visibility, body) for body in bodies.add(block)]
        return chunks

    def end(self, *, public: bool = False) -> list[Chunk]:
        """Return the last chunks; of a ticket without any text one with its subject, of this visibility."""
        chunks = [
            self._next(visibility, body)
            for visibility, bodies in self._bodies.items()
            for body in bodies.end()
        ]
        if not any(self.counts.values()) and self._head:
            chunks.append(self._next("public" if public else "internal", ""))
        return chunks

    def _next(self, visibility: Visibility, body: str) -> Chunk:
        index = self.counts[visibility]
        self.counts[visibility] = index + 1
        return _chunk(visibility, index, _BREAK.join(filter(None, (self._head, body))))


def chunk_ticket(subject: str, passages: Sequence[Passage], *, max_bytes: int = MAX_BYTES) -> list[Chunk]:
    """Return the chunks of a ticket, public ones first, none empty, none over ``max_bytes`` of UTF-8.

    Passages without text count for the visibility of the ticket only. A ticket whose passages hold no
    text at all has one chunk with its subject: public when a passage is, else internal. Without a
    subject too, it has none. Raises ValueError when ``max_bytes`` is not between 600 and 2,048.
    """
    chunker = Chunker(subject, max_bytes=max_bytes)
    chunks = chunker.add(passages)
    return in_order(chunks + chunker.end(public=any(each.visibility == "public" for each in passages)))


def in_order(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return chunks by visibility, public ones first, and index."""
    return sorted(chunks, key=lambda chunk: (chunk.visibility != "public", chunk.chunk_index))


def own_text(subject: str, text: str) -> str:
    """Return what a chunk of ``chunk_ticket`` says apart from its ticket's subject; empty when nothing."""
    head = _line(subject, _SUBJECT_BYTES)
    return text[len(head) :].lstrip() if text == head or text.startswith(head + _BREAK) else text


def _chunk(visibility: Visibility, index: int, text: str) -> Chunk:
    return Chunk(visibility=visibility, chunk_index=index, text=text, content_hash=content_hash(text))


def _blocks(passage: Passage) -> Iterator[str]:
    """Yield what a comment contributes: who says what, and the names of its files."""
    author = _line(passage.author, _AUTHOR_BYTES)
    if text := _encodable(passage.text).strip():
        # No date: it is a property, and digits add nothing to what a text means.
        yield f"{author}: {text}" if author else text
    if names := _line(", ".join(passage.attachments), _ATTACHMENTS_BYTES):
        yield f"Attachments: {names}"


class _Bodies:
    """Fills bodies of at most ``room`` bytes with blocks, in order."""

    def __init__(self, room: int, blocks: Iterable[str]) -> None:
        self._room = room
        self.blocks = list(blocks)
        self._used = _size(_BREAK.join(self.blocks))

    def add(self, block: str) -> Iterator[str]:
        """Yield the bodies that are full with this block."""
        for piece in _pieces(block, self._room):
            size = _size(piece)
            if self.blocks and self._used + len(_BREAK) + size > self._room:
                yield from self.end()
            self._used += size + (len(_BREAK) if self.blocks else 0)
            self.blocks.append(piece)

    def end(self) -> Iterator[str]:
        """Yield the body that has been begun, if there is one."""
        if self.blocks:
            yield _BREAK.join(self.blocks)
            self.blocks, self._used = [], 0


def _pieces(text: str, room: int) -> Iterator[str]:
    if _size(text) <= room:
        yield text
        return
    # For plain ASCII a character is a byte, and the splitter counts characters by itself, much faster.
    splitter = TextSplitter(room) if text.isascii() else TextSplitter.from_callback(_size, room)
    for part in _parts(text):
        for piece in splitter.chunks(part):
            # The splitter never cuts a grapheme, and a hostile one can be of any length.
            yield from filter(str.strip, (piece,) if _size(piece) <= room else _by_force(piece, room))


def _parts(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PART_CHARACTERS:
        end = start + _PART_CHARACTERS
        for separator in (_BREAK, "\n", ". ", " "):
            found = text.rfind(separator, start + _PART_CHARACTERS // 2, end)
            if found != -1:
                end = found + len(separator)
                break
        yield text[start:end]
        start = end
    yield text[start:]


def _by_force(text: str, room: int) -> Iterator[str]:
    while text:
        piece = _cut(text, room)
        yield piece
        text = text[len(piece) :]


def _line(text: str, size: int) -> str:
    """Return names and subjects as one clean line of at most ``size`` bytes."""
    return _cut(" ".join(clean_text(text).split()), size).rstrip()


def _cut(text: str, size: int) -> str:
    """Return the start of the text that fits into ``size`` bytes."""
    return text if _size(text) <= size else text.encode()[:size].decode(errors="ignore")


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
