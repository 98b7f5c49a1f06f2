"""Where tickets end up: one contract, and a package for each store."""

__all__ = ["base"]
