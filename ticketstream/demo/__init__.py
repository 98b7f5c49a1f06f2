"""``ticketstream demo``: the whole story on one machine, with a sample account, in about a minute."""

__all__ = ["document", "place", "plan", "screen", "story"]
