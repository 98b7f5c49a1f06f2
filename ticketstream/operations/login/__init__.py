"""``ticketstream login``: a person lets an OAuth client in, and the first pair is stored."""

__all__ = ["flow"]
