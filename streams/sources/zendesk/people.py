"""The directory: names of people, organisations and groups, remembered for a while."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog
from cachetools import TTLCache

from schemas.errors import RefusedError
from schemas.lanes import Lane
from schemas.zendesk import User
from schemas.zendesk_pages import GROUPS_PAGE, ORGANIZATIONS, USERS, NamedPage
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.lookups import Close, Fetch, Found, Lookups
from streams.sources.zendesk.paging import next_page
from streams.transforms.names import Names

__all__ = ["Names", "People"]

Ids = Callable[[], list[int]]
Ask = Callable[[Ids], Awaitable[tuple[Mapping[int, str], int]]]
"""Asks once for the names of these ids; returns them and the calls made. Raises RefusedError."""

_MOST_REFUSALS: Final = 8
"""Refusals after which none of these names is to be had, if none was."""
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
        self.refused: Counter[str] = Counter()
        """Names that Zendesk has refused to tell, by kind."""
        self._users: TTLCache[int, str] = TTLCache(size, ttl_seconds, timer)
        organizations: TTLCache[int, str] = TTLCache(size, ttl_seconds, timer)
        groups: TTLCache[int, str] = TTLCache(size, ttl_seconds, timer)

        def lookups(fetch: Fetch, cache: TTLCache[int, str], most: int = _MOST_IDS) -> Lookups:
            return Lookups(
                fetch,
                cache,
                most=most,
                gather_seconds=gather_seconds,
                backfill_seconds=backfill_seconds,
                timer=timer,
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

        Nobody is asked for ids below 1: the author -1 is Zendesk itself, and has no name here. A name that
        Zendesk refuses to tell is ``""``. Raises what else ZendeskClient.get raises.
        """
        # One after the other: nearly always everything is known, and a task for each costs more.
        user_names, calls = await self._user_names.names(filter(_is_record, users), lane)
        organization_names, more = await self._organization_names.names(
            filter(_is_record, organizations), lane
        )
        group_names, most = await self._group_names.names(filter(_is_record, groups), lane)
        return Names(user_names, organization_names, group_names), calls + more + most

    async def _fetch_users(self, close: Close, lane: Lane) -> Found:
        async def ask(ids: Ids) -> tuple[Mapping[int, str], int]:
            users, calls = await self._client.get(
                lambda: f"/api/v2/users/show_many.json?ids={_joined(ids())}", USERS, "users", lane=lane
            )
            return {user.id: user.name for user in users}, calls

        return await self._told(close, ask, "users")

    async def _fetch_organizations(self, close: Close, lane: Lane) -> Found:
        async def ask(ids: Ids) -> tuple[Mapping[int, str], int]:
            page, calls = await self._client.get(
                lambda: f"/api/v2/organizations/show_many.json?ids={_joined(ids())}",
                ORGANIZATIONS,
                "organizations",
                lane=lane,
            )
            return {one.id: one.name for one in page.rows}, calls

        return await self._told(close, ask, "organizations")

    async def _told(self, close: Close, ask: Ask, kind: str) -> Found:
        """Ask for names. Of those that are refused together, halves are asked for, while some are told.

        A name is no reason to lose a ticket: what stays refused is left out, and said.
        """
        ids: list[int] = []

        def first() -> list[int]:
            ids[:] = close()
            return ids

        names: dict[int, str] = {}
        refused: list[int] = []
        calls = refusals = 0
        left: list[Ids] = [first]
        reason: RefusedError | None = None
        while left:
            asked = left.pop()
            try:
                found, more = await ask(asked)
            except RefusedError as error:
                reason, calls, refusals = error, calls + 1, refusals + 1
                part = asked()
                if len(part) == 1 or (refusals >= _MOST_REFUSALS and not names):
                    refused += part
                    continue
                half = len(part) // 2
                left += [_those(part[half:]), _those(part[:half])]
            else:
                names.update(found)
                calls += more
        if reason is not None:
            self._say(kind, refused, reason)
        return Found(names, calls, refused)

    def _say(self, kind: str, refused: Sequence[int], reason: RefusedError) -> None:
        self.refused[kind] += len(refused)
        structlog.get_logger().warning(
            "names are refused: their tickets go on without them",
            kind=kind,
            ids=list(refused[:10]),
            count=len(refused),
            error=reason,
        )

    async def _fetch_groups(self, close: Close, lane: Lane) -> Found:
        names: dict[int, str] = {}
        path: str | None = _GROUPS_PATH
        cursor, calls = None, 0
        try:
            while path is not None:
                page, more = await self._client.get(path, GROUPS_PAGE, "groups", lane=lane)
                calls += more
                names.update((group.id, group.name) for group in page.rows)
                path = _next_groups(page, cursor)
                cursor = page.paging.after_cursor
        except RefusedError as error:
            refused = [one for one in close() if one not in names]
            self._say("groups", refused, error)
            return Found(names, calls + 1, refused)
        return Found(names, calls)


def _next_groups(page: NamedPage, cursor: str | None) -> str | None:
    """Return the path of the page after this one; raises RefusedError where the list names none."""
    try:
        return next_page(_GROUPS_PATH, page.paging, cursor, len(page.rows), _GROUPS_A_PAGE)
    except LookupError as error:
        raise RefusedError(f"Zendesk's groups {error}", 200) from None


def _is_record(number: int) -> bool:
    return number > 0


def _those(ids: list[int]) -> Ids:
    return lambda: ids


def _joined(ids: list[int]) -> str:
    return ",".join(map(str, ids))
