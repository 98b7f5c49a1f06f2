"""Worker processes: started together, started again when one dies, stopped together."""

__all__ = ["pool"]
