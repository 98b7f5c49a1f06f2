"""The stage that makes vectors."""
