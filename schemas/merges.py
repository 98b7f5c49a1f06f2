"""Which ticket a ticket was merged into, as Zendesk itself says it.

Zendesk writes a merge into the ``via`` of what it adds to both tickets: ``source.rel`` is ``merge``, and
``source.from`` holds ``ticket_id``, the target, on the ticket that was merged, but ``ticket_ids``, the merged
ones, on the target. Nobody can set it. The words of a comment and the tag ``closed_by_merge`` anybody can,
and a follow-up ticket inherits the tag. Sources: Zendesk's "Via object reference" and "Via types
reference" (19 is ``merge``), and public programs that read the audits of merged tickets.
"""

from __future__ import annotations

from typing import Any, Final

MERGE_TAG: Final = "closed_by_merge"
"""A reason to ask, never an answer. Source: Zendesk's help centre, "Merging tickets"."""
_MERGE: Final = ("merge", 19)
_LARGEST: Final = 2**53


def target_of_via(via: Any) -> int | None:
    """Return the ticket that the ticket of this ``via`` was merged into; None where it says nothing of it.

    Anything may come: what is not as Zendesk describes it says nothing.
    """
    if not isinstance(via, dict):
        return None
    source = via.get("source")
    if not isinstance(source, dict) or not (source.get("rel") in _MERGE or via.get("channel") in _MERGE):
        return None
    origin = source.get("from")
    if not isinstance(origin, dict) or origin.get("ticket_ids"):
        return None
    return _number(origin.get("ticket_id"))


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST:
        return value
    return None
