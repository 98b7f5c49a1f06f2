"""Imports: the record of each, and the process that runs it."""

__all__ = ["build", "progress"]
