"""Where tickets come from: Zendesk's API and its export files."""

__all__ = ["base"]
