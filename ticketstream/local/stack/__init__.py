"""The local stack: Kafka, Weaviate and the sample services as supervised processes on this machine."""
