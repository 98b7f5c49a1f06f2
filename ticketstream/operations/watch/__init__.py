"""How the pipeline does, seen from Kafka by one follower, and told to whoever watches."""
