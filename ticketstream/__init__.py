"""The front doors: command line, local stack and sample services."""
