"""The stage that writes to the vector store."""
