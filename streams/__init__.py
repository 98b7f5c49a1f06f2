"""How tickets flow: sources, transforms, embeddings, sinks, windows, limits. No Faust app in here."""
