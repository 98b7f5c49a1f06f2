"""What flows and what can be set: pure data, no I/O."""
