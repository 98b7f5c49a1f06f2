"""Text to vectors: the providers, and the batcher that gathers many tickets' texts into one call."""
