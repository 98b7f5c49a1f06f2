"""Export files: unpacked, decoded, cut into rows, and looked at before any of it is believed."""

__all__ = ["reading", "shape"]
