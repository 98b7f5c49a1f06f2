"""Imports: their records, the commands about them, and files that are imported."""
