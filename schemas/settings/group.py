"""What all groups of settings have in common."""

from __future__ import annotations

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    model_validator,
)

from schemas import forgiving
from schemas.setting_names import PREFIX as PREFIX


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _tidied(cls, given: Any) -> Any:
        return forgiving.tidied(cls, given)
