"""The check of the files' lengths: what it finds, and what it says then."""

from __future__ import annotations

from pathlib import Path

from tools.check_lengths import EXCEPTIONS, MOST_LINES, ROOT, found


def written(root: Path, lines: int) -> Path:
    (root / "streams").mkdir()
    (root / "streams/long.py").write_text("x = 1\n" * lines)
    return root


def test_a_file_that_is_too_long_is_named_with_what_to_do(tmp_path: Path) -> None:
    (line,) = found(written(tmp_path, MOST_LINES + 1), {})
    assert line.startswith("streams/long.py has 301 lines, 300 is the most: ")
    assert "tools/check_lengths.py" in line


def test_the_most_lines_are_not_too_many(tmp_path: Path) -> None:
    assert found(written(tmp_path, MOST_LINES), {}) == []


def test_a_listed_file_may_be_longer(tmp_path: Path) -> None:
    assert found(written(tmp_path, 400), {"streams/long.py": "a reason"}) == []


def test_an_exception_that_is_none_any_more_is_told(tmp_path: Path) -> None:
    written(tmp_path, 20)
    assert found(tmp_path, {"streams/long.py": "a reason"}) == [
        "streams/long.py is no file of more than 300 lines: take it out of tools/check_lengths.py"
    ]


def test_each_exception_of_this_repository_has_a_reason_and_is_needed() -> None:
    assert all(EXCEPTIONS.values())
    assert found(ROOT, EXCEPTIONS) == []
