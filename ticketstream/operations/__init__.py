"""What the front doors do, whichever of them is asked."""

__all__ = ["locks", "orphans", "progress"]
