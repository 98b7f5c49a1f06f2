"""What the pipeline is held against."""

from __future__ import annotations

from typing import Final

FRESHNESS_SECONDS: Final = 300
"""99 % of the live changes shall be searchable within this. Polling alone takes a minute or two."""
