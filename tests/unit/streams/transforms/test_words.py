"""Words in any script: stored and asked alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transforms.words import words_asked, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The App, crashed!", ["the", "app", "crashed"]),
        ("काम नहीं", ["काम", "नहीं"]),
        ("தமிழ் பணம்", ["தமிழ்", "பணம்"]),
        ("می‌خواهم", ["میخواهم"]),
        ("الفَاتُورَة", ["الفاتورة"]),
        ("שָׁלוֹם", ["שלום"]),
        ("Straße ＥＲＲ", ["strasse", "err"]),
        ("Résumé", ["résumé", "resume"]),
        ("退款", ["退", "款", "退款"]),
        ("환불을", ["환", "불", "을", "환불", "불을"]),
        ("ｶﾞ", ["ガ"]),
        ("ERR_42", ["err", "42", "err_42"]),
        ("pat@example.org.", ["pat", "example", "org", "pat@example.org"]),
        ("1,234.50 and/or", ["1", "234", "50", "and", "or", "1,234.50"]),
        ("#731905", ["731905"]),
        ("🙏 … ", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_question_asks_for_pairs_and_leaves_out_what_tells_nothing() -> None:
    assert words_asked("where is the 返金 of the invoice invoice") == ["where", "返金", "invoice"]
    assert words_asked("猫") == ["猫"]
    assert words_asked("to be or not to be") == ["to", "be", "or", "not"]
    assert words_asked("?!") == []


def test_data_is_no_endless_word() -> None:
    assert [len(word) for word in words_of("a" * 5_000 + " é" + "é" * 900)] == [64, 64, 64]


@given(st.text())
def test_what_is_asked_is_found_in_the_text_itself(text: str) -> None:
    words = words_of(text)
    assert all(word and word.split() == [word] for word in words)
    assert set(words_asked(text)) <= set(words)


@given(st.text(alphabet=st.characters(categories=["L", "M", "N"]), min_size=1), st.text())
def test_a_word_is_found_whatever_stands_after_it(word: str, rest: str) -> None:
    assert set(words_asked(word)) <= set(words_of(f"{word} — {rest}"))
