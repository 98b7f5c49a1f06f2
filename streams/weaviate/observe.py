"""Who is told of the calls to Weaviate, and what becomes of objects."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Told of every call; times are in seconds."""

    def called(self, ok: bool, seconds: float) -> None:
        """Hear of a call, and whether Weaviate answered it."""

    def wrote(self, objects: int, seconds: float) -> None:
        """Hear of a batch of objects that Weaviate has answered."""

    def not_taken(self, retried: int, refused: int) -> None:
        """Hear how many objects of a batch were written once more, and how many never can be."""


class Unobserved:
    """Tells nobody."""

    def called(self, ok: bool, seconds: float) -> None:
        """Say nothing."""

    def wrote(self, objects: int, seconds: float) -> None:
        """Say nothing."""

    def not_taken(self, retried: int, refused: int) -> None:
        """Say nothing."""
