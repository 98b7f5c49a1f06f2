"""Plain text of a comment: readable, clean, and never an error."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transforms.flat_html import text_of_flat
from streams.transforms.text import clean_text, html_to_text, plain_text, spoken_text

ANYTHING = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Mn"]),
        st.sampled_from("ab \t\r\n\u200d\u200c\xa0<>&;/p"),
    )
)


def test_plain_body_is_preferred() -> None:
    assert plain_text("plain", "<p>html</p>", "body") == "plain"


def test_html_is_used_when_plain_body_says_nothing() -> None:
    assert plain_text(" \u200b&nbsp; ", "<p>html</p>", "body") == "html"


def test_body_is_the_last_resort() -> None:
    assert plain_text(None, "<p> </p>", "body") == "body"
    assert plain_text(None, None, None) == ""


def test_blocks_become_lines_and_scripts_go() -> None:
    html = (
        "<style>p{}</style><div class='zd-comment'><p>Hello<br>w&ouml;rld &amp;\n all</p><p>second</p>"
        "<ul><li>one</li><li>two</li></ul><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>"
        "<script>alert(1)</script><b>in</b>line<!-- no --></div>"
    )
    assert plain_text(None, html, None) == "Hello\nwörld & all\n\nsecond\n\none\ntwo\n1 2\n3\ninline"


def test_preformatted_text_keeps_its_lines() -> None:
    assert plain_text(None, "<pre>Traceback\n  line 2</pre>", None) == "Traceback\nline 2"


def test_blanks_and_breaks_are_normalised() -> None:
    assert clean_text(" a\xa0\xa0b\tc \r\n\r\n\r\n\r\n d\u2028e ") == "a b c\n\nd\ne"


def test_zendesk_leaves_nbsp_entities_in_plain_bodies() -> None:
    assert plain_text("a&nbsp;&nbsp;b", None, None) == "a b"


def test_invisible_characters_are_removed() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore all")
    assert clean_text(f"vis\u200bible{hidden}\ufeff\x00\x1b\ud800\u202e!") == "visible!"


def test_joiners_stay_only_where_they_join() -> None:
    assert clean_text("👩\u200d👧 می\u200cخواهم x\u200dy \u200c \u200cz") == "👩\u200d👧 می\u200cخواهم xy z"


def test_text_is_composed() -> None:
    assert clean_text("e\u0301") == "é"


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("<div>" * 60_000 + "x", id="nested tags"),
        pytest.param("<div>" * 9_000 + "x", id="nested tags below the guard"),
        pytest.param("<" * 200_000, id="open brackets"),
        pytest.param("<a " * 200_000, id="tags that do not end"),
        pytest.param("<svg><select><object>" * 50_000, id="elements that do not end"),
        pytest.param("<!--" * 200_000 + "<style>" * 100_000, id="comments that do not end"),
        pytest.param("<svg></svg>" * 50_000, id="many elements"),
        pytest.param("a" + "\u0301\u0316" * 60_000, id="combining marks"),
        pytest.param("é\u200d" * 60_000, id="joiners"),
        pytest.param("\n" * 500_000 + "x" + " " * 500_000 + "y", id="blanks"),
    ],
)
def test_hostile_text_costs_little(hostile: str) -> None:
    started = time.process_time()
    plain_text(None, hostile, hostile)
    assert time.process_time() - started < 2


LONG = "<b>x</b> " * 6_000
"""More than goes to the parser."""


@pytest.mark.parametrize("long", ["", LONG])
def test_styles_and_scripts_are_no_text_however_long_it_is(long: str) -> None:
    html = (
        "<html><head><title>Title</title><STYLE type='a>b'>.unseen{}</STYLE ></head><body>"
        "<script>var unseen='</b>'</script><!--[if mso]><style>unseen{}</style><p>unseen</p><![endif]-->"
        "<p>Hello &amp; w&ouml;rld</p><svg><style>unseen{}</style><text>unseen</text></svg>"
        "in<b>li</b>ne 3 < 5"
        f"<table><tr><td>1</td><td>2</td></tr></table>{long}<p>end</p><style>unseen {{ }} <p>unseen"
    )
    text = plain_text(None, html, None)
    assert "unseen" not in text and "Title" not in text
    assert " ".join(text.split()).startswith("Hello & wörld inline 3 < 5 1 2")
    assert text.endswith("end")


@given(ANYTHING)
def test_long_html_never_raises(html: str) -> None:
    text_of_flat(html, breaks={"br": "\n"}, dropped=frozenset(("style", "svg"))).encode("utf-8", "replace")


def test_what_was_said_in_a_call_is_text_too() -> None:
    assert spoken_text("Call from +1", "my printer  burns") == "Call from +1\n\nmy printer burns"
    assert spoken_text("", " words ") == "words"
    for nothing in (None, "", " \u200b"):
        assert spoken_text("text", nothing) == "text"
    assert (
        spoken_text("Transcription:\nmy printer\nburns", "my printer burns")
        == "Transcription:\nmy printer\nburns"
    )


@given(ANYTHING, ANYTHING, ANYTHING)
def test_never_raises_and_is_always_clean(plain: str, html: str, body: str) -> None:
    for text in (plain_text(plain, html, body), plain_text(None, html, body), html_to_text(html)):
        text.encode()
    text = plain_text(plain, html, body)
    assert text == text.strip()
    assert unicodedata.is_normalized("NFC", text)
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} and c != "\n" for c in text)
    assert "  " not in text and "\n\n\n" not in text and "\r" not in text


@given(ANYTHING)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(st.lists(st.from_regex(r"[a-zA-Z0-9äöü漢字.,!?]+", fullmatch=True), max_size=20))
def test_no_word_is_lost(words: list[str]) -> None:
    assert clean_text(" \n".join(words)).split() == [unicodedata.normalize("NFC", word) for word in words]
