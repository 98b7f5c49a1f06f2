"""What a worker tells of itself: metrics, the age of what waits, its state."""
