"""Metrics, named ``ticketstream_…`` with their unit; every label has few values, known beforehand."""

from streams.metrics.all import Metrics
from streams.metrics.stages import StageMetrics

__all__ = ["Metrics", "StageMetrics", "exposition", "make", "services", "state"]
