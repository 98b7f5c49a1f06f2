"""Who may use the server, and how much."""

__all__ = ["api_key", "guard", "session", "size_limit", "time_limit"]
