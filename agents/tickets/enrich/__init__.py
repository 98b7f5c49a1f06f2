"""The stage that makes a whole ticket of a change."""

__all__ = ["held_comments", "stage"]
