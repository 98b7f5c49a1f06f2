"""The settings, as the environment gives them."""
