"""The Faust app: agents, their transport, tables and stores."""
