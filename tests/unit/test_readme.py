"""The documentation names what there is: every setting, command and dependency, and no file that is not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ticketstream.cli import build_app
from tools.settings_page import PAGE, page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
MOST_BYTES = 9_000


def test_the_readme_stays_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= MOST_BYTES


def test_every_setting_is_in_its_page_as_the_code_describes_it() -> None:
    assert page(PAGE.read_text()) == PAGE.read_text(), "run make docs"


def test_every_command_is_in_its_page() -> None:
    text = (DOCS / "commands.md").read_text()
    app = build_app()
    names = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]
    names += [group.name for group in app.registered_groups]
    for name in names:
        assert re.search(rf"`{name}[ `]", text), name


def test_every_dependency_is_in_its_page() -> None:
    text = (DOCS / "dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    for requirement in listed:
        name = re.split(r"[\[<>=~ ]", requirement)[0]
        assert f"`{name}`" in text, name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_what_is_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_paths_of_the_code_are_there(name: str) -> None:
    named = re.findall(r"`((?:[A-Za-z_.-]+/)+[A-Za-z_.-]*)`", (ROOT / name).read_text())
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
