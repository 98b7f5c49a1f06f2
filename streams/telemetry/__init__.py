"""Logs and traces."""

__all__ = ["at_hand", "call_spans", "log_errors", "logs", "message_spans", "source_spans", "tracing"]
