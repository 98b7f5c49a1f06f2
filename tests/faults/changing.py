"""People at work in the account while it is imported: a seeded stream of live changes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable

import httpx

from ticketstream.local.sample.zendesk.control import SampleZendeskControl

_WORDS = [
    *("invoice", "parcel", "refund", "zebra", "gramophone", "password", "router", "harbour", "marmalade"),
    *("engine", "lantern", "Übergröße", "café", "東京", "naïve"),
]


class Changes:
    """Makes single changes of tickets; which ones is up to the chance it is given.

    Zendesk refuses some (a closed ticket takes no comment): these count as ``refused``.
    """

    def __init__(self, url: str, chance: random.Random) -> None:
        self._zendesk = SampleZendeskControl(url)
        self._chance = chance
        self._gone: set[int] = set()
        self.counts: Counter[str] = Counter()
        kinds: list[tuple[str, int, Callable[[int], object]]] = [
            ("comment", 25, self._comment),
            ("internal note", 12, self._note),
            ("edit", 15, self._edit),
            ("made private", 10, self._make_private),
            ("redacted", 12, self._redact),
            ("deleted", 8, self._delete),
            ("spam", 3, self._spam),
            ("purged", 3, self._purge),
            ("restored", 6, self._restore),
            ("merged", 5, self._merge),
            ("created", 4, self._create),
        ]
        self._kinds = {name: do for name, _, do in kinds}
        self._weights = [weight for _, weight, _ in kinds]

    def close(self) -> None:
        """Close the connection."""
        self._zendesk.close()

    def one(self) -> None:
        """Make one change of any kind to any ticket."""
        kind = self._chance.choices(list(self._kinds), self._weights)[0]
        tickets: int = self._zendesk.health()["tickets"]
        self._do(kind, 1 + self._chance.randrange(tickets))

    def each_of(self, tickets: Iterable[int]) -> None:
        """Change the text of each of these tickets, now."""
        for ticket_id in tickets:
            kind = self._chance.choice(["comment", "redacted", "made private", "deleted"])
            if not self._do(kind, ticket_id) and kind != "comment":
                self._do("comment", ticket_id)

    def _do(self, kind: str, ticket_id: int) -> bool:
        try:
            self._kinds[kind](ticket_id)
        except httpx.HTTPStatusError as error:
            if error.response.status_code >= 500:
                raise
            self.counts["refused"] += 1
            return False
        self.counts[kind] += 1
        return True

    def _text(self) -> str:
        return " ".join(self._chance.choices(_WORDS, k=self._chance.randrange(3, 60)))

    def _comment(self, ticket_id: int) -> None:
        self._zendesk.update(ticket_id, comment={"body": self._text(), "public": True})

    def _note(self, ticket_id: int) -> None:
        self._zendesk.update(ticket_id, comment={"body": self._text(), "public": False})

    def _edit(self, ticket_id: int) -> None:
        chance = self._chance
        fields: dict[str, object] = {"subject": self._text()[:60]}
        fields["priority"] = chance.choice([None, "low", "normal", "high", "urgent"])
        fields["tags"] = chance.sample(_WORDS[:10], 3)
        fields["status"] = chance.choice(["open", "pending", "solved"])
        self._zendesk.update(ticket_id, **fields)

    def _comment_of(self, ticket_id: int, *, public: bool) -> tuple[int, str]:
        comments = self._zendesk.truth_of(ticket_id)["comments"]
        fit = [each for each in comments if each["body"].strip() and (each["public"] or not public)]
        if not fit:
            self._zendesk.update(ticket_id, comment={"body": self._text(), "public": True})
            fit = self._zendesk.truth_of(ticket_id)["comments"][-1:]
        chosen = self._chance.choice(fit)
        return chosen["id"], chosen["body"]

    def _make_private(self, ticket_id: int) -> None:
        number, _ = self._comment_of(ticket_id, public=True)
        self._zendesk.make_private(ticket_id, number)

    def _redact(self, ticket_id: int) -> None:
        number, body = self._comment_of(ticket_id, public=False)
        self._zendesk.redact(ticket_id, number, self._chance.choice(body.split()))

    def _delete(self, ticket_id: int) -> None:
        self._zendesk.delete(ticket_id)
        self._gone.add(ticket_id)

    def _spam(self, ticket_id: int) -> None:
        self._zendesk.mark_as_spam(ticket_id)
        self._gone.add(ticket_id)

    def _purge(self, ticket_id: int) -> None:
        self._zendesk.delete(ticket_id)
        self._zendesk.delete_permanently(ticket_id)

    def _restore(self, ticket_id: int) -> None:
        chosen = self._chance.choice(sorted(self._gone)) if self._gone else ticket_id
        self._gone.discard(chosen)
        self._zendesk.restore(chosen)

    def _merge(self, ticket_id: int) -> None:
        other = ticket_id - 1 or ticket_id + 1
        self._zendesk.merge(ticket_id, [other])

    def _create(self, _: int) -> None:
        self._zendesk.create_ticket(self._text()[:50], self._text())


class LiveChanges:
    """Keeps changing an account, in a thread of its own, until it is stopped."""

    def __init__(self, url: str, chance: random.Random, per_second: float) -> None:
        self._changes = Changes(url, chance)
        self._pauses = random.Random(chance.random())
        self._per_second = per_second
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live changes", daemon=True)
        self._error: BaseException | None = None

    @property
    def counts(self) -> Counter[str]:
        """Changes made, by kind."""
        return self._changes.counts

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; raises what made it end before."""
        self._end.set()
        self._thread.join(60)
        self._changes.close()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._end.wait(self._pauses.expovariate(self._per_second)):
                self._changes.one()
        except BaseException as error:
            self._error = error
