"""The HTTP API."""

__all__ = ["dead_letters", "health", "imports", "live", "metrics", "openapi", "problems", "search"]
