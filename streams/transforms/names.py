"""Names by id, as a ticket's texts show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Names:
    """Names of people, organisations and groups by id; an unknown id, or none, has the name ``""``."""

    users: Mapping[int, str] = field(default_factory=dict)
    organizations: Mapping[int, str] = field(default_factory=dict)
    groups: Mapping[int, str] = field(default_factory=dict)

    def user(self, user_id: int | None) -> str:
        """Return a person's name."""
        return "" if user_id is None else self.users.get(user_id, "")

    def organization(self, organization_id: int | None) -> str:
        """Return an organisation's name."""
        return "" if organization_id is None else self.organizations.get(organization_id, "")

    def group(self, group_id: int | None) -> str:
        """Return a group's name."""
        return "" if group_id is None else self.groups.get(group_id, "")
