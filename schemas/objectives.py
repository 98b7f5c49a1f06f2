"""What the pipeline is held against."""

from __future__ import annotations

from typing import Final

FRESHNESS_SECONDS: Final = 300
"""A change in Zendesk should be searchable within this. Polling alone takes a minute or two."""
