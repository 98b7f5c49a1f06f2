"""Text to vectors: the providers, and the batcher that gathers many tickets' texts into one call."""

__all__ = ["batcher", "build", "gemini_models", "local", "observe", "prices", "provider"]
