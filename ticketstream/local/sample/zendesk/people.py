"""The people of a sample account: agents, end users, organisations, groups and brands."""

from __future__ import annotations

from typing import Any, Final

from ticketstream.local.sample.zendesk.clock import iso

Row = dict[str, Any]

_FIRST: Final = (
    "Anna", "Ben", "Chloé", "Dmitri", "Elif", "Farid", "Grace", "Hiroshi", "Inés", "Jörg", "Kemi", "Luca",
    "Małgorzata", "Nguyễn", "Olga", "Priya", "Quentin", "Rosa", "Søren", "Tomáš", "Uche", "Vera", "Wei",
    "Ximena", "Yael", "Zoë", "محمد", "שירה", "美咲", "Иван", "अमित", "O'Neil",
)  # fmt: skip
_LAST: Final = (
    "Abe", "Brown", "Castro", "Dubois", "Eriksson", "Fischer", "García", "Haddad", "Ito", "Jansen",
    "Kowalski", "Levi", "Müller", "Novák", "Okafor", "Petrov", "Quispe", "Rossi", "Silva", "Tanaka",
    "Usman", "Van der Berg", "Weiß", "Xu", "Yılmaz", "Zhang", "Smith-Jones", "D’Angelo", "Sharma",
)  # fmt: skip
_COMPANY: Final = (
    "Blue Harbor", "Nordwind", "Café Lumière", "Quanta", "Greenfield", "Stella & Sons", "Tiger Robotics",
    "Kōbō", "Alpenglow", "Meridian", "Sunrise Clinics", "Paper & Pine", "Vega", "Old Town Books",
)  # fmt: skip
_FORM: Final = ("GmbH", "Ltd.", "Inc.", "S.A.", "AB", "K.K.", "B.V.", "LLC")
GROUPS: Final = ("Support", "Billing", "Shipping", "Engineering", "Product Care", "VIP desk")
BRANDS: Final = ("Main shop", "Outdoor", "Business")
USERS_START: Final = 1_717_200_000
"""The first users came at 2024-06-01T00:00:00Z, three in every second."""
USERS_START_TEXT: Final = iso(USERS_START)


class People:
    """People and organisations by id; every row is made from its index when it is asked for.

    The size of each set follows the number of tickets: about one end user to three tickets, one
    organisation to fifty, one agent to four hundred.
    """

    def __init__(self, account: str, tickets: int) -> None:
        self._url = f"https://{account}.zendesk.com/api/v2"
        self._account = account
        self.agents = max(4, min(60, 4 + tickets // 400))
        self.end_users = max(20, tickets // 3)
        self.users = self.agents + self.end_users
        self._agents: dict[int, Row] = {}
        self.organizations = max(5, tickets // 50)

    # Ids look like Zendesk's, and lead back to the index without a table.
    @staticmethod
    def user_id(index: int) -> int:
        """Return the id of the user at an index; agents come first."""
        return 6_130_907_990_000 + index * 122 + 18

    def user_index(self, user_id: int) -> int | None:
        """Return the index of a user's id, None for an id this account does not have."""
        index, rest = divmod(user_id - 6_130_907_990_000, 122)
        return index if rest == 18 and 0 <= index < self.users else None

    def first_from(self, second: int) -> int:
        """Return the index of the first user who came in this second or later."""
        return min(self.users, max(0, (second - USERS_START) * 3))

    @staticmethod
    def organization_id(index: int) -> int:
        """Return the id of the organisation at an index."""
        return 6_130_869_150_000 + index * 256 + 90

    def organization_index(self, organization_id: int) -> int | None:
        """Return the index of an organisation's id, None when there is no such organisation."""
        index, rest = divmod(organization_id - 6_130_869_150_000, 256)
        return index if rest == 90 and 0 <= index < self.organizations else None

    @staticmethod
    def group_id(index: int) -> int:
        """Return the id of the group at an index."""
        return 6_130_852_530_000 + index * 64 + 46

    @staticmethod
    def brand_id(index: int) -> int:
        """Return the id of the brand at an index."""
        return 6_130_830_350_000 + index * 64 + 42

    def user_name(self, index: int) -> str:
        """Return a name; two users may share one, as people do."""
        first = _FIRST[(index * 7) % len(_FIRST)]
        last = _LAST[(index * 11 + index // len(_FIRST)) % len(_LAST)]
        return f"{first} {last}"

    def organization_name(self, index: int) -> str:
        """Return a name no other organisation has."""
        return f"{_COMPANY[index % len(_COMPANY)]} {_FORM[(index // 3) % len(_FORM)]} {index + 1}"

    def organization_of(self, user_index: int) -> int | None:
        """Return the index of a user's organisation; agents and every sixth end user have none."""
        if user_index < self.agents or user_index % 6 == 0:
            return None
        return user_index * 31 % self.organizations

    def user(self, user_id: int) -> Row | None:
        """Return the user's row, None when there is no such user; do not change it."""
        index = self.user_index(user_id)
        if index is None:
            return None
        if index < self.agents:
            if index not in self._agents:
                self._agents[index] = self._user(user_id, index)
            return self._agents[index]
        return self._user(user_id, index)

    def _user(self, user_id: int, index: int) -> Row:
        agent = index < self.agents
        organization = self.organization_of(index)
        created = iso(USERS_START + index // 3)
        return {
            "id": user_id,
            "url": f"{self._url}/users/{user_id}.json",
            "name": self.user_name(index),
            "email": None if index % 50 == 49 else f"person{index}@example.org",
            "created_at": created,
            "updated_at": created,
            "time_zone": "Berlin" if index % 2 else "America/New_York",
            "iana_time_zone": "Europe/Berlin" if index % 2 else "America/New_York",
            "phone": None,
            "shared_phone_number": None,
            "photo": None,
            "locale_id": 1,
            "locale": "en-US",
            "organization_id": None if organization is None else self.organization_id(organization),
            "role": ("admin" if index == 0 else "agent") if agent else "end-user",
            "verified": agent,
            "external_id": None,
            "tags": [],
            "alias": None,
            "active": True,
            "shared": False,
            "shared_agent": False,
            "last_login_at": USERS_START_TEXT if agent else None,
            "two_factor_auth_enabled": None,
            "signature": None,
            "details": None,
            "notes": None,
            "role_type": 4 if agent else None,
            "custom_role_id": None,
            "moderator": agent,
            "ticket_restriction": None if agent else "requested",
            "only_private_comments": False,
            "restricted_agent": not agent,
            "suspended": False,
            "default_group_id": self.group_id(index % len(GROUPS)) if agent else None,
            "report_csv": agent,
            "user_fields": {},
        }

    def organization(self, organization_id: int) -> Row | None:
        """Return the organisation's row, None when there is none."""
        index = self.organization_index(organization_id)
        if index is None:
            return None
        return {
            "url": f"{self._url}/organizations/{organization_id}.json",
            "id": organization_id,
            "name": self.organization_name(index),
            "shared_tickets": False,
            "shared_comments": False,
            "external_id": None,
            "created_at": USERS_START_TEXT,
            "updated_at": USERS_START_TEXT,
            "domain_names": [],
            "details": None,
            "notes": None,
            "group_id": None,
            "tags": [],
            "organization_fields": {},
        }

    def groups(self) -> list[Row]:
        """Return the rows of all groups."""
        return [
            {
                "url": f"{self._url}/groups/{self.group_id(index)}.json",
                "id": self.group_id(index),
                "is_public": True,
                "name": name,
                "description": "",
                "default": index == 0,
                "deleted": False,
                "created_at": USERS_START_TEXT,
                "updated_at": USERS_START_TEXT,
            }
            for index, name in enumerate(GROUPS)
        ]

    def brands(self) -> list[Row]:
        """Return the rows of all brands."""
        return [
            {
                "url": f"{self._url}/brands/{self.brand_id(index)}.json",
                "id": self.brand_id(index),
                "name": name,
                "brand_url": f"https://{self._account}.zendesk.com",
                "subdomain": self._account,
                "host_mapping": None,
                "has_help_center": index == 0,
                "help_center_state": "enabled" if index == 0 else "disabled",
                "active": True,
                "default": index == 0,
                "is_deleted": False,
                "logo": None,
                "ticket_form_ids": [6_130_830_344_474],
                "signature_template": "{{agent.signature}}",
                "created_at": USERS_START_TEXT,
                "updated_at": USERS_START_TEXT,
            }
            for index, name in enumerate(BRANDS)
        ]
