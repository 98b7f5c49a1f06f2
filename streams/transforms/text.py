"""A comment's text, clean: from plain text or HTML, without anything invisible.

Ticket text is untrusted, so nothing here raises on it, and invisible characters (which can hide words
from people and show them to a model) do not survive.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from streams.transforms.flat_html import text_of_flat

_MAX_TAGS: Final = 10_000
"""Lexbor's time grows with the square of the nesting: 20,000 open tags cost most of a second."""

_BLOCKS: Final = {"p": 2} | dict.fromkeys(
    (
        *("address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "fieldset", "figcaption"),
        *("figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main"),
        *("nav", "ol", "pre", "section", "table", "tr", "ul"),
    ),
    1,
)
"""The line breaks around each block element."""
_INLINE: Final = {"br": "\n", "td": " ", "th": " "}
_DROPPED: Final = frozenset(
    ("script", "style", "head", "template", "noscript", "iframe", "object", "svg", "select", "textarea")
)
_BREAKS: Final = dict.fromkeys(_BLOCKS, "\n") | _INLINE
"""The same without nesting."""

_LINE_BREAK: Final = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_ENTITY: Final = re.compile(r"&(?:nbsp|#160|#xa0);", re.IGNORECASE)
# Surrogates, controls, non-characters, soft hyphens, zero-width and bidirectional marks, and the tag
# characters that spell hidden text.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
# Joiners build emoji and Persian or Indic words; anywhere else they are padding.
_STRAY_JOINER: Final = re.compile(
    "(?<![^\x00-\x7f\\s\u200c\u200d])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f\\s\u200c\u200d])|"
    "(?<=[\u200c\u200d])[\u200c\u200d]+"
)
# Marks are neither word characters nor blanks.
_MARK_RUN: Final = re.compile(r"[^\w\s\x00-\x7f]{31,}")
_MARKS_KEPT: Final = 30
"""As in Unicode's stream-safe format (UAX 15). Sorting more marks on one letter takes quadratic time."""
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_BLANKS: Final = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+")


def plain_text(plain_body: str | None, html_body: str | None, body: str | None) -> str:
    """Return the text of a comment: its ``plain_body``, else its ``html_body`` as text, else its ``body``.

    The first that holds anything readable wins. The result is clean (see clean_text) and may be empty.
    """
    if plain_body and (text := clean_text(_ENTITY.sub(" ", plain_body))):  # Zendesk leaves these in
        return text
    if html_body and (text := clean_text(html_to_text(html_body))):
        return text
    return clean_text(body) if body else ""


def spoken_text(text: str, transcription: str | None) -> str:
    """Return a comment's text with what was said in its call, unless the text has that already."""
    spoken = clean_text(transcription) if transcription else ""
    if not spoken or " ".join(spoken.split()) in " ".join(text.split()):
        return text
    return f"{text}\n\n{spoken}" if text else spoken


def html_to_text(html: str) -> str:
    """Return the readable text of HTML: a line for each block, entities resolved, no scripts or styles."""
    html = _INVISIBLE.sub("", html)
    if html.count("<") > _MAX_TAGS:
        return _INVISIBLE.sub("", text_of_flat(html, breaks=_BREAKS, dropped=_DROPPED))
    root = LexborHTMLParser(html).root
    return _text_below(root) if root is not None else ""


def _text_below(root: LexborNode) -> str:
    # Walked without recursion: mails nest tables deeper than Python's stack.
    parts: list[str] = []
    breaks = 0
    stack: list[tuple[LexborNode | None, int, bool]] = [(root, 0, False)]
    while stack:
        node, closing, preformatted = stack.pop()
        if node is None:
            breaks = max(breaks, closing)
            continue
        tag = node.tag or ""
        if node.next is not None:
            stack.append((node.next, 0, preformatted))
        if tag == "-text":
            text = _LINE_BREAK.sub("\n", node.text_content or "")
            if not preformatted:
                text = text.replace("\n", " ")
            if breaks and (preformatted or not text.isspace()):
                parts.append("\n" * breaks)
                breaks = 0
            parts.append(text)
        elif tag not in _DROPPED:
            around = _BLOCKS.get(tag, 0)
            breaks = max(breaks, around)
            parts.append(_INLINE.get(tag, ""))
            if (child := node.child) is not None:
                stack.append((None, around, False))
                stack.append((child, 0, preformatted or tag == "pre"))
    return "".join(parts)


def _fewer_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MARKS_KEPT:
            kept.append(character)
    return "".join(kept)


def clean_text(text: str) -> str:
    """Return the text in Unicode NFC with single blanks, at most one empty line in a row, nothing invisible.

    Line breaks of every kind become ``\\n``. Cleaning a clean text changes nothing. Never raises.
    """
    text = _LINE_BREAK.sub("\n", text)
    if text.isascii():
        text = _CONTROLS.sub("", text).replace("\t", " ")
    else:
        text = _BLANKS.sub(" ", _INVISIBLE.sub("", text))
        if "\u200c" in text or "\u200d" in text:
            text = _STRAY_JOINER.sub("", text)
        text = unicodedata.normalize("NFC", _MARK_RUN.sub(_fewer_marks, text))
    while "  " in text:
        text = text.replace("  ", " ")
    text = text.replace(" \n", "\n").replace("\n ", "\n")
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()
