"""What a worker tells of itself: metrics, the age of what waits, its state."""

__all__ = ["shown", "worker_meter", "worker_metrics", "worker_state"]
