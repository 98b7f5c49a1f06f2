"""The HTTP server of ``ticketstream serve``: one router a subject, put together in ``server``."""
