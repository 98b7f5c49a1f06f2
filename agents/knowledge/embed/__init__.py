"""The stage that makes vectors."""

__all__ = ["build", "daily_caps", "idle_flush", "stage"]
