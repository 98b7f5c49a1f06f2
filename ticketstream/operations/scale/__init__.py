"""More partitions: every topic grows, and what belongs to a key moves with it."""

__all__ = ["plan", "run"]
