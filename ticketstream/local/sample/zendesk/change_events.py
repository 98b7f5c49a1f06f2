"""What Zendesk tells its listeners of a change of a ticket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ticketstream.local.sample.zendesk.account import Account, LiveTicket
from ticketstream.local.sample.zendesk.events import Event
from ticketstream.local.sample.zendesk.people import Row
from ticketstream.local.sample.zendesk.shape import STATUSES

PRIORITIES: Final = (None, "low", "normal", "high", "urgent")
TYPES: Final = (None, "question", "incident", "problem", "task")
CHOICES: Final[dict[str, tuple[Any, ...]]] = {"status": STATUSES, "priority": PRIORITIES, "type": TYPES}
_EVENTS: Final = {
    "status": "status_changed",
    "priority": "priority_changed",
    "type": "ticket_type_changed",
    "subject": "subject_changed",
    "assignee_id": "agent_assignment_changed",
    "requester_id": "requester_changed",
    "organization_id": "organization_changed",
    "group_id": "group_assignment_changed",
    "brand_id": "brand_changed",
}


class ChangeEvents:
    """Tells a listener what has changed; the first agent is who changes things."""

    def __init__(self, account: Account, tell: Callable[[Event], None]) -> None:
        self._account = account
        self._tell = tell
        self._agent = account.people.user_id(0)

    def say(self, name: str, live: LiveTicket, change: dict[str, Any], said: Row | None = None) -> None:
        """Tell of a change by its name; ``said`` is the comment that came with it."""
        self._tell(Event(name, live.generated, self._agent, live.row, change, None, said))

    def comment(self, live: LiveTicket, comment: Row) -> None:
        """Tell of a new comment."""
        author = comment["author_id"]
        index = self._account.people.user_index(author) or 0
        told = {
            "author": {
                "id": str(author),
                "is_staff": index < self._account.people.agents,
                "name": self._account.user_name(author),
            },
            "body": comment["body"],
            "id": str(comment["id"]),
            "is_public": comment["public"],
        }
        self.say("comment_added", live, {"comment": told}, comment)

    def fields(self, live: LiveTicket, old: Row, changed: Row) -> None:
        """Tell of each field that has changed; ``old`` is the row before."""
        for name, event in _EVENTS.items():
            if name in changed:
                new, past = changed[name], old[name]
                change = {"current": _shown(name, new), "previous": _shown(name, past)}
                field = (name, new, past)
                self._tell(Event(event, live.generated, self._agent, live.row, change, field))
        if "tags" in changed:
            new, past = changed["tags"], old["tags"]
            change = {
                "tags_added": {"tags": sorted(set(new) - set(past))},
                "tags_removed": {"tags": sorted(set(past) - set(new))},
            }
            field = ("tags", new, past)
            self._tell(Event("tags_changed", live.generated, self._agent, live.row, change, field))


def _shown(name: str, value: Any) -> Any:
    """Return a value as webhooks show it: choices in capitals, ids as texts."""
    if value is None:
        return None
    return value.upper() if name in CHOICES else str(value)
