"""The page of the server."""

__all__ = ["files"]
