"""Dead letters: read, chosen, retried, settled."""
