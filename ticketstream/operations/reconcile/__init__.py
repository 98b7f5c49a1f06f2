"""Account and index side by side: what differs, and how the pipeline mends it."""

__all__ = ["outcome", "run"]
