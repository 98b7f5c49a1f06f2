"""Kafka: clients, topics, producers and readers, for workers and front doors alike."""

__all__ = [
    "chosen_offsets",
    "client",
    "clients",
    "committed",
    "dead_letters",
    "group_members",
    "lease",
    "messages",
    "offset_ranges",
    "part_reader",
    "partitions",
    "positions",
    "producer",
    "sender",
    "topic_admin",
    "topic_reader",
    "topic_settings",
    "topics",
]
