"""What a comparison of the account with the index has found."""

from __future__ import annotations

import msgspec


class ReconcileReport(msgspec.Struct, kw_only=True):
    """What a whole comparison of account and index found at its end, on ``reconcile.reports``.

    Its key is the account. ``drift`` counts tickets that differ, by kind; ``account`` and ``indexed`` all
    tickets of either side.
    """

    at: float
    account: int
    indexed: int
    drift: dict[str, int]
