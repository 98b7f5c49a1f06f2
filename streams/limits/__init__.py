"""Rate limits per partition: any number of workers stays inside a quota without talking to each other."""

from streams.limits.bucket import TokenBucket
from streams.limits.quota import SILENT_PAUSE, QuotaShare

__all__ = [
    "SILENT_PAUSE",
    "QuotaShare",
    "TokenBucket",
    "batch_size",
    "daily",
    "daily_caps",
    "gate",
    "in_flight",
]
