"""What Zendesk keeps refusing or failing to answer, by kind of call: why nothing goes on, for people.

Also who is to blame for a call that fails again and again: the service, when all calls of its kind fail, or
the one thing it asks for, when the others succeed meanwhile.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from schemas.messages.workers import Trouble

STRANGE_TRIES: Final = 6
"""Tries at an answer that cannot be read, before the thing asked for is set aside: about 25 s."""
FAILING_SECONDS: Final = 600.0
"""How long one thing may fail with what passes by itself as a rule, while all others of its kind succeed."""
_SAID_AFTER_SECONDS: Final = 15.0
"""What passes in less is nothing to tell people of."""
_FORGOTTEN_SECONDS: Final = 180.0
"""Whoever is refused or gets no answer tries again sooner than that: one who does not has left it to another
worker, or given up, and would tell of it for ever."""


_Kind = Literal["login", "export", "answers"]


class _Noted(NamedTuple):
    trouble: Trouble
    until: float
    """When it is forgotten unless it is noted again."""


class Troubles:
    """What is wrong now; a success of a kind ends its trouble, and any success that of the login."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._login: _Noted | None = None
        self._away: _Noted | None = None
        self._rights: dict[str, _Noted] = {}
        self._failing: dict[str, _Noted] = {}
        self._well: Counter[str] = Counter()
        self._badly: Counter[str] = Counter()

    def went_well(self, endpoint: str) -> None:
        """Note a usable answer."""
        self._well[endpoint] += 1
        self._away = None
        if endpoint != "me":  # which answers nobody, too
            self._login = None
        if self._failing:
            self._failing.pop(endpoint, None)
        if self._rights:
            self._rights.pop(endpoint, None)

    def answered(self, endpoint: str) -> None:
        """Note that Zendesk refused one thing, or that it is asked for no more: nobody waits."""
        self._failing.pop(endpoint, None)

    def failed(self, endpoint: str, reason: str, pause: float = 0.0) -> None:
        """Note that a call got no usable answer, which may pass by itself; it waits ``pause`` s or more."""
        self._badly[endpoint] += 1
        self._failing[endpoint] = self._noted(self._failing.get(endpoint), "answers", reason, pause)

    def login_away(self, reason: str, pause: float = 0.0) -> None:
        """Note that a call could not go out for want of an access token: no fault of what it asks for."""
        self._away = self._noted(self._away, "answers", reason, pause)

    def login_refused(self, reason: str) -> None:
        """Note that the login is refused."""
        self._login = self._noted(self._login, "login", reason)

    def rights_refused(self, endpoint: str, reason: str) -> None:
        """Note that the login is good, but may make no call of this kind."""
        kind: _Kind = "export" if endpoint == "export" else "login"
        self._rights[endpoint] = self._noted(self._rights.get(endpoint), kind, reason)

    def _noted(self, before: _Noted | None, kind: _Kind, reason: str, pause: float = 0.0) -> _Noted:
        now = self._clock()
        since = before.trouble.since if before is not None and now < before.until else now
        return _Noted(Trouble(kind, since, reason), now + pause + _FORGOTTEN_SECONDS)

    def now(self) -> list[Trouble]:
        """Return what is wrong, the worst first."""
        now = self._clock()
        login = [] if self._login is None else [self._login]
        rights = sorted(self._rights.values(), key=lambda one: one.trouble.kind, reverse=True)
        away = [] if self._away is None else [self._away]
        failing = sorted([*self._failing.values(), *away], key=lambda one: one.trouble.since)
        said = [one for one in failing if one.trouble.since <= now - _SAID_AFTER_SECONDS and now < one.until]
        return [one.trouble for one in login + rights if now < one.until] + [one.trouble for one in said[:1]]

    def case(self, endpoint: str) -> Case:
        """Begin to count the tries at one thing; called before its first failure is noted."""
        return Case(self, endpoint, self._clock)

    def counts(self, endpoint: str) -> tuple[int, int]:
        """Return how many calls of a kind have gone well and failed so far."""
        return self._well[endpoint], self._badly[endpoint]


class Case:
    """One call that fails again and again."""

    def __init__(self, troubles: Troubles, endpoint: str, clock: Callable[[], float]) -> None:
        self._troubles = troubles
        self._endpoint = endpoint
        self._clock = clock
        self._began = clock()
        self._well, self._badly = troubles.counts(endpoint)
        self._own = 0
        self.tries = 0
        self._strange = 0

    def failed(self, *, strange: bool) -> None:
        """Count a try; ``strange``: Zendesk answered with a success that cannot be read."""
        self.tries += 1
        self._own += 1
        self._strange += strange

    def weigh_anew(self) -> None:
        """Weigh the others from now on: an outage that is over says nothing about a try that comes later."""
        self._well, self._badly = self._troubles.counts(self._endpoint)
        self._own = 0

    @property
    def is_due(self) -> bool:
        """Whether it has had its chances."""
        return self._strange >= STRANGE_TRIES or self._clock() - self._began >= FAILING_SECONDS

    @property
    def is_its_own(self) -> bool:
        """Whether the fault is of the thing asked for: most others of its kind have succeeded meanwhile."""
        well, badly = self._troubles.counts(self._endpoint)
        return well > self._well and well - self._well >= badly - self._badly - self._own
