"""From Zendesk records to plain text, and from text to chunks."""

__all__ = ["chunking", "names", "text", "whole_ticket", "words"]
