"""Words on a screen."""
