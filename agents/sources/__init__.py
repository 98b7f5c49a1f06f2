"""Where changes come from."""

__all__ = ["following", "live_part", "records"]
