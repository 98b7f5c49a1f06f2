"""The HTTP server of ``ticketstream serve``: one router a subject, put together in ``server``."""

__all__ = ["server"]
