"""The views of the account: named lists of tickets by status."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ticketstream.local.sample.zendesk.people import USERS_START_TEXT, Row


class View(NamedTuple):
    """A view and the statuses it shows."""

    id: int
    title: str
    statuses: tuple[str, ...]


VIEWS: Final = tuple(
    View(6_130_830_360_730 + number * 32, title, statuses)
    for number, (title, statuses) in enumerate(
        (
            ("All unsolved tickets", ("new", "open", "pending", "hold")),
            ("New tickets", ("new",)),
            ("Open tickets", ("open",)),
            ("Pending tickets", ("pending",)),
            ("Recently solved tickets", ("solved",)),
        )
    )
)


def find(view_id: int) -> View | None:
    """Return the view with this id, None when there is none."""
    return next((view for view in VIEWS if view.id == view_id), None)


def row(account: str, view: View, position: int) -> Row:
    """Return a view's row."""

    def column(name: str, title: str) -> dict[str, Any]:
        return {"id": name, "title": title, "filterable": False, "sortable": True}

    columns = [column("subject", "Subject"), column("requester", "Requester"), column("status", "Status")]
    return {
        "url": f"https://{account}.zendesk.com/api/v2/views/{view.id}.json",
        "id": view.id,
        "title": view.title,
        "active": True,
        "updated_at": USERS_START_TEXT,
        "created_at": USERS_START_TEXT,
        "default": False,
        "position": position,
        "description": None,
        "execution": {
            "group_by": None,
            "group_order": "asc",
            "sort_by": "nice_id",
            "sort_order": "desc",
            "group": None,
            "sort": {"id": "ticket_id", "title": "ID", "filterable": True, "sortable": True, "order": "desc"},
            "columns": columns,
            "fields": columns,
            "custom_fields": [],
        },
        "conditions": {
            "all": [],
            "any": [{"field": "status", "operator": "is", "value": status} for status in view.statuses],
        },
        "restriction": None,
        "raw_title": view.title,
    }
