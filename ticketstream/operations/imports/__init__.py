"""Imports: their records, the commands about them, and files that are imported."""

__all__ = ["attempt", "commands", "known", "since", "spending", "steering", "summary", "waiting", "waits"]
