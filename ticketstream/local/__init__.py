"""What runs on this machine only: the local stack and its sample services."""
