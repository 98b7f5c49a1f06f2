"""How tickets flow: sources, transforms, embeddings, sinks, windows, limits. No Faust app in here."""

__all__ = ["retries", "secret_file", "secrets"]
