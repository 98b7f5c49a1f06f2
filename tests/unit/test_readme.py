"""The README names what there is: every setting, command and direct dependency."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from schemas.settings import Settings
from ticketstream.cli import build_app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _variables() -> list[str]:
    names = []
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += [f"{name}__{part}".upper() for part in kind.model_fields]
        else:
            names.append(name.upper())
    return names


@pytest.mark.parametrize("variable", _variables())
def test_every_setting_is_in_the_readme(variable: str) -> None:
    assert f"`{variable}`" in README


def test_every_command_is_in_the_readme() -> None:
    app = build_app()
    names = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]
    names += [group.name for group in app.registered_groups]
    for name in names:
        assert re.search(rf"`{name}[ `]", README), name


def test_every_dependency_is_in_the_readme() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    for requirement in listed:
        name = re.split(r"[\[<>=~ ]", requirement)[0]
        assert f"`{name}`" in README, name
