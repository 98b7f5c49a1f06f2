"""From whole tickets to what can be searched: embed, index, and the parts of large tickets."""

__all__ = ["backlog", "build", "parts", "sent_parts"]
