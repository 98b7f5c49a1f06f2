"""The settings, as the environment gives them."""

__all__ = ["embedding", "kafka", "load", "zendesk"]
