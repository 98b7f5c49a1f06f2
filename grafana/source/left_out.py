"""Metrics that no dashboard shows, and why."""

from __future__ import annotations

from typing import Final

LEFT_OUT: Final = {
    "ticketstream_process_virtual_memory_bytes": "address space; what a worker holds is its resident memory",
}
