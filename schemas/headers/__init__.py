"""What travels in the headers of messages."""

__all__ = ["moves", "replays", "retries", "traces"]
