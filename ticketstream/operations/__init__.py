"""What the front doors do, whichever of them is asked."""
