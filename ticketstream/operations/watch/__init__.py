"""How the pipeline does, seen from Kafka by one follower, and told to whoever watches."""

__all__ = ["broadcast", "indexed_through", "overview", "troubles", "watch"]
