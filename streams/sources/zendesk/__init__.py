"""Zendesk's API: the client, and a module for each thing that is read."""
