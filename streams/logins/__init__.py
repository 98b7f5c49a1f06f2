"""The login of a process, and the stored one that many share."""

__all__ = ["build", "stored"]
