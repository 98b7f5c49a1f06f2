"""A sample Gemini: Google's embedding API on this machine, for the demo and the tests."""

__all__ = ["control", "messages"]
