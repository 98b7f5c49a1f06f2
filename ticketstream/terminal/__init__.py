"""Words on a screen."""

__all__ = ["hits", "output", "progress", "untrusted"]
