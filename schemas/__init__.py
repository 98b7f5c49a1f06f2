"""What flows and what can be set: pure data, no I/O."""

__all__ = [
    "cluster",
    "codec",
    "errors",
    "ids",
    "lanes",
    "logins",
    "merges",
    "objectives",
    "outside",
    "parts",
    "scaling",
    "stages",
    "tables",
    "times",
    "topics",
    "vectors",
    "versions",
    "zendesk",
    "zendesk_pages",
    "zendesk_rows",
]
