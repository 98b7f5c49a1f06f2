"""The Faust app: agents, their transport, tables and stores."""

__all__ = ["faust_app", "meter", "owned", "part", "stores", "tables"]
