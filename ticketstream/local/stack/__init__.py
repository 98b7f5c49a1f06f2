"""The local stack: Kafka, Weaviate and the sample services as supervised processes on this machine."""

__all__ = ["api", "build", "layout", "options", "processes", "status"]
