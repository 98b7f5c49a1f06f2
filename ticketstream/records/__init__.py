"""What the command line and the HTTP API read and write: import records, commands, dead letters, searches."""
