"""What the documents of the API are made of: what is sent, what is asked, and plain values with a meaning."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What the server sends."""

    model_config = ConfigDict(extra="forbid")


class Question(BaseModel):
    """What is sent to the server; its values are not repeated in errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


Moment = Annotated[float, Field(description="Unix seconds", examples=[1_795_000_000.5])]
Text = Annotated[str | None, Field(description="ISO 8601, UTC", examples=["2026-11-22T18:15:00Z"])]
Seconds = Annotated[float | None, Field(description="seconds; null where nobody can tell")]
Rate = Annotated[float | None, Field(description="a second; null where it is not known yet")]
