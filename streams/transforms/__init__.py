"""From Zendesk records to plain text, and from text to chunks."""
