"""What travels in the headers of messages."""
