"""What Zendesk's webhooks send."""

__all__ = ["hint_sender", "receiver"]
