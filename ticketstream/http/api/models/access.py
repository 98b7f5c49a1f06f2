"""The document of a person's login to the page."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ticketstream.http.api.models.parts import Question


class Login(Question):
    """The API key."""

    key: Annotated[str, Field(min_length=1, max_length=1_000)]
