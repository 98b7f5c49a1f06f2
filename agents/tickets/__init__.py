"""Tickets, before they become chunks."""

__all__ = ["build"]
