"""Stand-in servers of the outside services, with quotas and faults, for the demo and the tests."""
