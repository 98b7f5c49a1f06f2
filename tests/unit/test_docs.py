"""The documentation names what there is: every setting, command and dependency, and no file that is not."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ticketstream.cli import build_app
from tools.settings_page import PAGE, page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    DOCS.rglob("*.md")
)
MOST_BYTES = 9_000
CODE_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
TOP = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
"""The folders a path of the repository can begin with."""


def links(text: str) -> list[tuple[str, str]]:
    """Return the relative links of a page, as path ("": the page itself) and anchor ("": none)."""
    return [
        (target.partition("#")[0], target.partition("#")[2])
        for target in re.findall(r"\]\(([^)\s]+)\)", CODE_FENCE.sub("", text))
        if not re.match(r"[a-z]+:", target)
    ]


def paths(text: str) -> list[str]:
    """Return the paths of the repository that a page names, in commands too, but for its links."""
    text = re.sub(r"\]\([^)\s]+\)", "]", text)
    folders = "|".join(map(re.escape, TOP))
    return [found.rstrip("./") for found in re.findall(rf"(?<![\w./~$:-])(?:{folders})/[\w./-]*[\w/]", text)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", CODE_FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


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


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_to_what_is_there(path: Path) -> None:
    for target, anchor in links(path.read_text()):
        there = path.parent / target if target else path
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there.read_text()), f"{target}#{anchor}"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_paths_of_the_repository_are_there(path: Path) -> None:
    for named in paths(path.read_text()):
        assert (ROOT / named).exists(), named


def test_paths_are_found_in_sentences_and_commands() -> None:
    found = paths(
        "see `agents/app/gone.py`, then run python tests/faults/report.py; not ~/x/docs/y or a.b/docs/z."
    )
    assert found == ["agents/app/gone.py", "tests/faults/report.py"]


def test_the_commands_of_make_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in PAGES:
        named = re.findall(r"(?:`|^ *)make ([a-z-]+)", path.read_text(), re.MULTILINE)
        assert set(named) <= targets, path.name


def test_decisions_are_numbered_without_gaps_and_all_in_their_index() -> None:
    files = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
    assert [path.name[:5] for path in files] == [f"{number:04d}-" for number in range(1, len(files) + 1)]
    index = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE
    )
    titles = [path.read_text().splitlines()[0].removeprefix("# ").split(". ", 1) for path in files]
    assert index == [(number, title, path.name) for (number, title), path in zip(titles, files, strict=True)]


@pytest.mark.parametrize("part", ["Context", "Choice", "What was measured", "Consequences"])
def test_every_decision_has_its_parts(part: str) -> None:
    for path in DECISIONS.glob("0*.md"):
        assert f"\n## {part}\n" in path.read_text(), path.name


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## (\S+) – \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == project["version"] == version("ticketstream")


@pytest.mark.parametrize("package", ["ticketstream", "agents", "streams"])
def test_the_architecture_has_the_layers_that_are_checked(package: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [
        contract["layers"]
        for contract in contracts
        if contract["type"] == "layers" and contract["layers"][0].startswith(f"{package}.")
    ]
    row = re.search(rf"^\| `{package}` \| (.+) \|$", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    named = " → ".join(layers).replace(f"{package}.", "")
    assert row and row[1].replace("`", "").replace("\\|", "|") == named


def unknown_words(said: str) -> list[str]:
    """Return what a command line, without ``ticketstream``, names that there is not."""
    here: Any = get_command(build_app())
    unknown = []
    for word in said.partition("#")[0].split():
        below = getattr(here, "commands", None)
        if word.startswith("--"):
            option = re.split(r"[=.,;)]", word)[0]
            known = {name for parameter in here.params for name in parameter.opts} | {"--help"}
            unknown += [option] if option not in known else []
        elif below is not None and word in below:
            here = below[word]
        elif below is not None:
            return [*unknown, word]
    return unknown


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_that_are_named_are_there(path: Path) -> None:
    for said in re.findall(r"(?:`|^ *|bin/)ticketstream ([^`\n]+)", path.read_text(), re.MULTILINE):
        assert not unknown_words(said), said


def test_a_command_or_option_that_is_gone_is_noticed() -> None:
    assert unknown_words("imports list --json") == []
    assert unknown_words("imports gone") == ["gone"]
    assert unknown_words("search text --gone 3") == ["--gone"]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_metrics_and_alerts_that_are_named_are_there(path: Path) -> None:
    text = path.read_text()
    code = "".join(module.read_text() for module in sorted((ROOT / "streams" / "metrics").glob("*.py")))
    for metric in re.findall(r"`ticketstream_([a-z_]+)`", text):
        assert f'"{metric.removesuffix("_total")}"' in code, metric
    rules = (ROOT / "prometheus/rules/alerts.yml").read_text()
    for alert in re.findall(r"\bTicketstream[A-Z]\w+", text):
        assert f"alert: {alert}\n" in rules, alert
