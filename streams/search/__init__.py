"""Search: by words and by meaning, and how the two are joined."""

__all__ = ["hybrid", "searcher"]
