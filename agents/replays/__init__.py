"""Messages that are taken from their topics once more."""

__all__ = ["cursor", "feed", "rebuild"]
