"""The stage that writes to the vector store."""

__all__ = ["build", "sinks"]
