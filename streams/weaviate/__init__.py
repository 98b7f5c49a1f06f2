"""Weaviate: the client, the collection, and what is read from it."""

__all__ = [
    "client",
    "collection",
    "contents",
    "failures",
    "gather_all",
    "large",
    "merged",
    "ownership",
    "reading",
    "requests",
    "size",
    "stored_vectors",
]
