"""Windows that gather texts, and the calls made for many at once."""

__all__ = ["calls"]
