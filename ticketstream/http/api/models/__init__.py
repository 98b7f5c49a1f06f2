"""The documents of the API, for its OpenAPI description and for reading what is sent to it."""

__all__ = ["access", "dead_letters", "health", "imports", "live", "search"]
