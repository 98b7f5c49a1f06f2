"""``python -m tools.settings_page``: writes the table of docs/settings.md as the code describes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from schemas.settings.load import Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
_HEAD = "| variable (after `TICKETSTREAM_`) | default | what it is |\n|---|---|---|\n"
_OF_THE_SYSTEM = {"DATA_DIR": "`~/.local/share/ticketstream`"}
"""Defaults that depend on the machine, as they are on Linux."""


def rows(model: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Return a row of the table for each setting, groups in the order of the code."""
    made = []
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            made += rows(kind, f"{variable}__")
        else:
            default = _OF_THE_SYSTEM.get(variable) or _words(field.default)
            made.append(f"| `{variable}` | {default} | {_linked(field.description or '')} |\n")
    return made


def page(text: str) -> str:
    """Return the page with its table made anew."""
    before, _, rest = text.partition(_HEAD)
    after = rest[rest.index("\n\n") + 1 :]
    return before + _HEAD + "".join(rows()) + after


def _words(default: Any) -> str:
    if default is None or default is PydanticUndefined:
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _linked(description: str) -> str:
    return re.sub(r"\bdocs/([a-z-]+\.md)", r"[\1](\1)", description)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
