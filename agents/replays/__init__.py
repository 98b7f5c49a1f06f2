"""Messages that are taken from their topics once more."""
