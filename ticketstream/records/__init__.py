"""What the command line reads from and writes to Kafka: import records, commands, dead letters."""
