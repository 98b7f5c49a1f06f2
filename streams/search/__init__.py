"""Search: by words and by meaning, and how the two are joined."""
