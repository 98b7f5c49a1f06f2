"""The words of a text as keyword search compares them, in any script.

Weaviate's own WORD tokens end at everything that is no letter or digit, so also at the vowel signs inside
Hindi, Tamil or Thai words, and they take a sentence without blanks for one word. So both sides of a search,
what is stored and what is asked, go through this module.

- A word is letters with their marks and digits, folded (NFKC and case folding: ``ＥＲＲ`` is ``err``).
- A word with accents is there without them too: "resume" finds "résumé", and the right spelling finds it
  better. Arabic and Hebrew points go altogether; Indic vowel signs are letters to a reader, and stay.
- Scripts that put no blanks between words, and Korean, whose words carry their particles, become characters
  and pairs of neighbours. (Lucene's CJKAnalyzer does so for want of a dictionary of each language.)
- Codes and addresses (``ERR_42``, ``INV-2024/17``, ``pat@example.org``) are there whole and in their parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import regex

_LONGEST: Final = 64
"""Characters kept of a word: what is longer is data, and its beginning tells it apart."""

# Its \w holds marks, which that of Python's re does not.
_WORD: Final = regex.compile(r"[^\W_]+")
_CHARACTER: Final = regex.compile(r"\X")
# Thai to Myanmar, Hangul, Khmer, Tai Tham, Han and kana: the blocks, which are tried faster than the scripts.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u1a20-\u1aaf\u2e80-\u9fff\ua960-\ua97f\uaa60-\uaa7f\uac00-\ud7ff"
    "\uf900-\ufaff\U00016fe0-\U0003ffff]+"
)
_CODE: Final = re.compile(r"[a-z0-9]+(?:(?:[._@+/:-]|(?<=[0-9]),(?=[0-9]))[a-z0-9]+)+")
_IS_CODE: Final = re.compile("[0-9@]|_")
# Joiners, tatweel, points of Hebrew and Arabic: written or not, the word is the same.
_OPTIONAL: Final = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed\u200c\u200d]"
)
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
# Those that Weaviate leaves out of WORD tokens by itself (its stop word preset "en"), and who speaks.
_STOP_WORDS: Final = frozenset(
    (
        *(
            "a",
            "an",
            "and",
            "are",
            "as",
            "at",
            "be",
            "but",
            "by",
            "for",
            "if",
            "in",
            "into",
            "is",
            "it",
            "no",
            "not",
            "of",
            "on",
        ),
        *(
            "or",
            "such",
            "that",
            "the",
            "their",
            "then",
            "there",
            "these",
            "they",
            "this",
            "to",
            "was",
            "will",
        ),
        *("with", "i", "me", "my", "we", "us", "our", "you", "your"),
    )
)


def words_of(text: str) -> list[str]:
    """Return the words of a text, each as often as it is there; none is empty or holds a blank.

    Never raises.
    """
    return list(_words(_folded(text), single=True))


def words_asked(text: str) -> list[str]:
    """Return the words of a question, each once: what ``words_of`` makes of a text that answers it.

    Of characters in a row the pairs tell enough. English words that are in every text are left out, unless
    there are no others.
    """
    words = list(dict.fromkeys(_words(_folded(text), single=False)))
    return [word for word in words if word not in _STOP_WORDS] or words


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _OPTIONAL.sub("", text))


def _words(text: str, *, single: bool) -> Iterator[str]:
    words: list[str] = _WORD.findall(text)
    if text.isascii():
        yield from (word[:_LONGEST] for word in words)
    else:
        for word in words:
            yield from _forms(word, single=single)
    yield from (code[:_LONGEST] for code in _CODE.findall(text) if _IS_CODE.search(code))


def _forms(word: str, *, single: bool) -> Iterator[str]:
    if word.isascii():
        yield word[:_LONGEST]
        return
    rest = _UNSPACED.split(word)
    for run in _UNSPACED.findall(word):
        characters: list[str] = _CHARACTER.findall(run)
        if single or len(characters) == 1:
            yield from characters
        yield from (first + second for first, second in pairwise(characters))
    for spaced in filter(None, rest):
        yield spaced[:_LONGEST]
        if not spaced.isascii() and (plain := _without_accents(spaced)) not in {spaced, ""}:
            yield plain[:_LONGEST]


def _without_accents(word: str) -> str:
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word)))
