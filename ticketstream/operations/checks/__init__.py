"""What ``ticketstream doctor`` looks at: settings, services, logins, the data directory."""

__all__ = ["everything", "finding", "login", "weaviate", "zendesk"]
