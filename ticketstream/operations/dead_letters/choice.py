"""Which dead letters are meant: by id, or by ticket, reason and time; and how they group by reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from schemas.errors import NotFoundError, UserError
from schemas.messages.dead_letters import DeadLetter
from ticketstream.operations.dead_letters.book import DeadLetterList, KnownLetter
from ticketstream.operations.imports.since import parse_moment
from ticketstream.terminal.untrusted import one_line

_REASONS_NAMED = 10
_MOST_DIGITS = 19


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Letters that have all of this: one of the tickets, one of the reasons, and failed in a span of time.

    What is empty or None lets all pass. A reason is ``stage/error``, or one of the two alone;
    ``since`` is the first moment meant, ``until`` the first one no longer meant (Unix seconds).
    """

    tickets: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None

    def __bool__(self) -> bool:
        return bool(self.tickets or self.reasons) or self.since is not None or self.until is not None

    def match(self, known: KnownLetter) -> bool:
        """Return whether a letter is meant."""
        letter = known.letter
        return (
            (not self.tickets or known.ticket_id in self.tickets)
            and (not self.reasons or any(_has_reason(letter, reason) for reason in self.reasons))
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
        )


class Reason(msgspec.Struct, kw_only=True):
    """All letters of a stage and an error; ``example`` is the newest of them."""

    stage: str
    error_type: str
    count: int
    oldest: float
    newest: float
    example: KnownLetter

    @property
    def name(self) -> str:
        """The name that ``--reason`` takes."""
        return f"{self.stage}/{self.error_type}"


def parse_filters(
    tickets: Sequence[str], reasons: Sequence[str], since: str | None, until: str | None, now: datetime
) -> Filters:
    """Return the filters of a command line; raises UserError for what is no number or no time."""
    begin = None if since is None else parse_moment(since, now, "--since")
    end = None if until is None else parse_moment(until, now, "--until")
    if begin is not None and end is not None and begin >= end:
        raise UserError(f"--since {since!r} does not lie before --until {until!r}")
    numbers = tuple(_ticket_number(text) for text in tickets)
    return Filters(tickets=numbers, reasons=tuple(reasons), since=begin, until=end)


def by_reason(letters: Iterable[KnownLetter]) -> list[Reason]:
    """Return the reasons, the most frequent first."""
    found: dict[tuple[str, str], Reason] = {}
    for known in letters:
        letter = known.letter
        group = found.get((letter.stage, letter.error_type))
        if group is None:
            found[letter.stage, letter.error_type] = Reason(
                stage=letter.stage,
                error_type=letter.error_type,
                count=1,
                oldest=letter.failed_at,
                newest=letter.failed_at,
                example=known,
            )
            continue
        group.count += 1
        group.oldest = min(group.oldest, letter.failed_at)
        if letter.failed_at > group.newest:
            group.newest, group.example = letter.failed_at, known
    return sorted(found.values(), key=lambda group: (-group.count, group.name))


def filtered(found: DeadLetterList, filters: Filters) -> list[KnownLetter]:
    """Return the letters meant, whatever became of them; raises NotFoundError when no letter is."""
    chosen = [known for known in found.letters if filters.match(known)]
    if filters and not chosen:
        raise NotFoundError(_no_match(found))
    return chosen


def to_settle(found: DeadLetterList, ids: Sequence[str], filters: Filters) -> list[KnownLetter]:
    """Return the letters meant by ids, or else by filters (none: all), whatever became of them.

    In place of a letter that was retried and failed again come the letters it failed again as. Raises
    UserError for an id that no letter has, and when no letter is meant.
    """
    if not ids:
        chosen = filtered(found, filters)
        if not chosen:
            raise NotFoundError("there are no dead letters")
        return chosen
    by_id = {known.letter.id: known for known in found.letters}
    meant: dict[str, KnownLetter] = {}
    for letter_id in dict.fromkeys(ids):
        for known in _newest_of(found.find(letter_id), by_id):
            meant[known.letter.id] = known
    return list(meant.values())


def _ticket_number(text: str) -> int:
    digits = text.strip().removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise UserError(f"--ticket {text!r} is no ticket number: write its digits, such as --ticket 1234")
    return int(digits)


def _newest_of(known: KnownLetter, by_id: dict[str, KnownLetter]) -> list[KnownLetter]:
    """Return the letters at the ends of a letter's retries; a ring, which only a forger makes, ends too."""
    ends, ahead, seen = [], [known], {known.letter.id}
    while ahead:
        one = ahead.pop()
        again = [] if one.state == "open" else [by_id[each] for each in one.failed_again_as]
        fresh = [each for each in again if each.letter.id not in seen]
        seen.update(each.letter.id for each in fresh)
        ahead += fresh
        if not fresh:
            ends.append(one)
    return ends


def _has_reason(letter: DeadLetter, reason: str) -> bool:
    stage, error = letter.stage.casefold(), letter.error_type.casefold()
    return reason.strip().casefold() in (stage, error, f"{stage}/{error}")


def _no_match(found: DeadLetterList) -> str:
    names = [one_line(group.name) for group in by_reason(found.letters)]
    if not names:
        return "no dead letter matches: there are none"
    shown = ", ".join(names[:_REASONS_NAMED]) + (" …" if len(names) > _REASONS_NAMED else "")
    return (
        f"no dead letter matches; there are {len(found.letters):,}, for the reasons {shown}: "
        "see `ticketstream dead-letters list --all`"
    )
