"""The directory: names of people, organisations and groups, remembered for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cachetools import TTLCache

from schemas.errors import RefusedError
from schemas.zendesk import User
from schemas.zendesk_pages import GROUPS_PAGE, ORGANIZATIONS, USERS
from streams.limits import Lane
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.lookups import Close, Fetch, Lookups
from streams.sources.zendesk.paging import next_page
from streams.transforms.names import Names

__all__ = ["Names", "People"]

_MOST_IDS: Final = 100
"""``show_many`` answers 400 beyond."""
_GROUPS_A_PAGE: Final = 100
_GROUPS_PATH: Final = f"/api/v2/groups.json?page%5Bsize%5D={_GROUPS_A_PAGE}"


class People:
    """Looks names up, up to 100 ids a call, and remembers each for ``ttl_seconds``.

    ``size`` bounds how many people, and how many organisations, are remembered at once; the seconds are
    how long a call gathers ids, see Lookups.
    """

    def __init__(
        self,
        client: ZendeskClient,
        *,
        ttl_seconds: float = 1800.0,
        size: int = 10_000,
        gather_seconds: float = 0.005,
        backfill_seconds: float = 0.1,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._users: TTLCache[int, str] = TTLCache(size, ttl_seconds, timer)
        organizations: TTLCache[int, str] = TTLCache(size, ttl_seconds, timer)
        groups: TTLCache[int, str] = TTLCache(size, ttl_seconds, timer)

        def lookups(fetch: Fetch, cache: TTLCache[int, str], most: int = _MOST_IDS) -> Lookups:
            return Lookups(
                fetch, cache, most=most, gather_seconds=gather_seconds, backfill_seconds=backfill_seconds
            )

        self._user_names = lookups(self._fetch_users, self._users)
        self._organization_names = lookups(self._fetch_organizations, organizations)
        # One call lists all groups, however many are asked for.
        self._group_names = lookups(self._fetch_groups, groups, size)
        self.lookups = {
            "users": self._user_names,
            "organizations": self._organization_names,
            "groups": self._group_names,
        }

    def remember(self, users: Iterable[User]) -> None:
        """Take in people that came along with something else."""
        for user in users:
            self._users[user.id] = user.name

    async def names(
        self,
        *,
        users: Iterable[int] = (),
        organizations: Iterable[int] = (),
        groups: Iterable[int] = (),
        lane: Lane,
    ) -> tuple[Names, int]:
        """Return the names of all these ids, and the number of calls made for them.

        Nobody is asked for ids below 1: the author -1 is Zendesk itself, and has no name here. Raises what
        ZendeskClient.get raises.
        """
        # One after the other: nearly always everything is known, and a task for each costs more.
        user_names, calls = await self._user_names.names(filter(_is_record, users), lane)
        organization_names, more = await self._organization_names.names(
            filter(_is_record, organizations), lane
        )
        group_names, most = await self._group_names.names(filter(_is_record, groups), lane)
        return Names(user_names, organization_names, group_names), calls + more + most

    async def _fetch_users(self, close: Close, lane: Lane) -> tuple[Mapping[int, str], int]:
        users, calls = await self._client.get(
            lambda: f"/api/v2/users/show_many.json?ids={_joined(close())}", USERS, "users", lane=lane
        )
        return {user.id: user.name for user in users}, calls

    async def _fetch_organizations(self, close: Close, lane: Lane) -> tuple[Mapping[int, str], int]:
        page, calls = await self._client.get(
            lambda: f"/api/v2/organizations/show_many.json?ids={_joined(close())}",
            ORGANIZATIONS,
            "organizations",
            lane=lane,
        )
        return {one.id: one.name for one in page.rows}, calls

    async def _fetch_groups(self, close: Close, lane: Lane) -> tuple[Mapping[int, str], int]:
        names: dict[int, str] = {}
        path: str | None = _GROUPS_PATH
        cursor, calls = None, 0
        while path is not None:
            page, more = await self._client.get(path, GROUPS_PAGE, "groups", lane=lane)
            calls += more
            names.update((group.id, group.name) for group in page.rows)
            try:
                path = next_page(_GROUPS_PATH, page.paging, cursor, len(page.rows), _GROUPS_A_PAGE)
            except LookupError as error:
                raise RefusedError(f"Zendesk's groups {error}", 200) from None
            cursor = page.paging.after_cursor
        return names, calls


def _is_record(number: int) -> bool:
    return number > 0


def _joined(ids: list[int]) -> str:
    return ",".join(map(str, ids))
