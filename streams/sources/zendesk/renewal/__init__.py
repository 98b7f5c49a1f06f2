"""Access tokens that are renewed with a refresh token, which serves once: what is sealed, asked and known."""

__all__ = ["exchange", "ledger", "sealing"]
