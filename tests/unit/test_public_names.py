"""Packages that say what is public of them: the names are there, and nothing else is exported."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAYING = {
    ".".join(path.parent.relative_to(ROOT).parts): path
    for package in ("schemas", "streams", "agents", "ticketstream")
    for path in sorted((ROOT / package).rglob("__init__.py"))
    if "__all__" in path.read_text()
}


def test_some_packages_say_it() -> None:
    assert "streams.limits" in SAYING


@pytest.mark.parametrize("package", SAYING)
def test_what_a_package_says_is_what_it_imports_from_its_modules(package: str) -> None:
    module = import_module(package)
    imported = [
        alias.asname or alias.name
        for node in ast.parse(SAYING[package].read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    ]
    assert sorted(module.__all__) == sorted(imported)
    assert all(hasattr(module, name) for name in module.__all__)
