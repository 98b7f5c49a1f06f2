"""The process of one worker."""

__all__ = ["slot"]
