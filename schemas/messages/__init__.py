"""What travels on the topics."""

__all__ = ["dead_letters", "imports", "reconcile", "tickets", "workers"]
