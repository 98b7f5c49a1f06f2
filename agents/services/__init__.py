"""What a worker shares among its parts: connections to services, quotas, and the ground all stand on."""

__all__ = ["clients", "engines", "ground", "quotas", "zendesk"]
