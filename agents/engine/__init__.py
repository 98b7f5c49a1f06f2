"""How a stage takes messages in, works on many at once, and acknowledges them in order."""
