"""Dead letters: read, chosen, retried, settled."""

__all__ = ["book", "choice", "document", "settle", "work"]
