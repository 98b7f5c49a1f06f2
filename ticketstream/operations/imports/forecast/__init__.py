"""What an import would take and cost, said before anything is started."""

__all__ = ["figures", "file", "zendesk"]
