"""How a stage takes messages in, works on many at once, and acknowledges them in order."""

__all__ = ["engine", "misplaced", "outcomes", "places", "refused_logins", "settling"]
