"""What all groups of settings have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from schemas import forgiving


class Group(BaseModel):
    """Settings that belong together; frozen, and with no name that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _tidied(cls, given: Any) -> Any:
        return forgiving.tidied(cls, given)
