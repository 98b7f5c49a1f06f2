"""What is public of a package: ``__all__`` names the modules, and the names, that other packages may use."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("schemas", "streams", "agents", "ticketstream")


def name_of(path: Path) -> str:
    """Return the name of a module; a package has that of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


def imports_of(path: Path) -> Iterator[str]:
    """Yield what a module imports, each name from a module as well: it may be a module of a package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def used_from_outside() -> dict[str, set[str]]:
    """Return the modules of each package that others import: neither it nor a package within it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, path in MODULES.items():
        home = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for imported in imports_of(path):
            package, _, module = imported.rpartition(".")
            is_module = imported in MODULES and imported not in PACKAGES
            if is_module and home != package and not home.startswith(f"{package}."):
                found[package].add(module)
    return found


USED = used_from_outside()


def said(package: str) -> tuple[list[str], set[str]]:
    """Return what ``__all__`` of a package names, and what its ``__init__`` imports from its modules."""
    tree = ast.parse(MODULES[package].read_text())
    named: list[str] = []
    imported: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            named = ast.literal_eval(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            imported |= {alias.asname or alias.name for alias in node.names}
    return named, imported


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_names_what_others_use_of_it_and_nothing_else(package: str) -> None:
    named, imported = said(package)
    wanted = sorted(USED.get(package, set()) | (imported if named and imported <= set(named) else set()))
    assert sorted(named) == wanted, "say so in the package's __init__, or leave it alone"


@pytest.mark.parametrize("package", [name for name in PACKAGES if said(name)[1]])
def test_every_name_that_a_package_takes_from_its_modules_is_there(package: str) -> None:
    named, imported = said(package)
    module = import_module(package)
    assert all(hasattr(module, name) for name in imported & set(named))
