"""What Zendesk's webhooks send."""
