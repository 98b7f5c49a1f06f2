"""Tickets, before they become chunks."""
