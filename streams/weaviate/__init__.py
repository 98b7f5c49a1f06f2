"""Weaviate: the client, the collection, and what is read from it."""
