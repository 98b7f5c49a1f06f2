"""Kafka: clients, topics, producers and readers, for workers and front doors alike."""
