"""Text from outside steers no terminal, and originals are shown as they are."""

from __future__ import annotations

import json

import pytest

from ticketstream.cli.dead_letters.originals import as_text
from ticketstream.terminal.untrusted import one_line, printable_text, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("\x07\x08\x7f\x9b", "\\x07\\x08\\x7f\\x9b"),
        ("in\u202evoice", "in\\u202evoice"),
        ("lone \ud800", "lone \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("line\nbreak", "line\\x0abreak"),
        ("Grüße 日本語 محمد 👩‍👧 €", "Grüße 日本語 محمد 👩‍👧 €"),
        ("[bold]no markup[/bold] \\", "[bold]no markup[/bold] \\"),
    ],
)
def test_what_could_steer_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert printable_text(text) == shown
    printable_text(text).encode()


def test_lines_can_stay() -> None:
    assert printable_text("a\tb\r\nc", lines=True) == "a\tb\\x0d\nc"
    assert one_line(" a\r\n\t b\x1b ") == "a b\\x1b"


def test_a_passage_is_cut_around_what_was_looked_for() -> None:
    text = " ".join(["before"] * 60 + ["kangaroo"] + ["after"] * 60)
    cut = shortened(text, 80, around="the kangaroo")
    assert len(cut) <= 82
    assert "kangaroo" in cut
    assert cut.startswith("…") and cut.endswith("…")
    assert shortened("short", 80, around="x") == "short"
    assert shortened(text, 80).startswith("before")
    assert len(shortened("x" * 500, 80, around="y")) <= 82


def test_json_is_indented_and_its_numbers_stay_as_sent() -> None:
    raw = b'{"id":12345678901234567890123,"price":1.10,"note":"\\u001b[31m"}'
    shown = as_text(raw)
    assert "12345678901234567890123" in shown
    assert "1.10" in shown
    assert "\\u001b[31m" in shown
    assert shown.count("\n") == 4
    assert json.loads(shown) == json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b'{"id": 1, broken \x1b[31m', '{"id": 1, broken \\x1b[31m'),
        (b"plain", "plain"),
        (b"", ""),
        (b"\xff\x00ab", f"00000000  {'ff 00 61 62':<47}  ..ab"),
    ],
)
def test_what_is_no_json_is_text_or_hex(raw: bytes, shown: str) -> None:
    assert as_text(raw) == shown


def test_deep_nesting_and_long_binaries_do_no_harm() -> None:
    assert as_text(b"[" * 100_000).startswith("[")
    assert as_text(b"\xff" * 10_000).endswith("… 5,904 bytes more")
