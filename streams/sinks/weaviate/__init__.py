"""Chunks in Weaviate: an object a chunk, a tenant an account, a collection an embedding model.

Schema and search go through the official client. Writing, and reading back of ids and vectors, speak
Weaviate's gRPC protocol with the client's own message types: the client's ``insert_many`` takes twice
the processor time for the same bytes.
"""

__all__ = ["objects", "read_collection_cleanup", "sink", "switch"]
