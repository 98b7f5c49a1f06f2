"""What is said to and by the control side of the sample Gemini."""

from __future__ import annotations

from typing import Literal

import msgspec

FaultKind = Literal[
    "rate_limit",  # 429, with a delay when retry_after is set
    "internal",  # 500
    "unavailable",  # 503
    "hang",  # no answer until the faults are removed or the client gives up
    "drop",  # the connection is cut without an answer
    "not_json",  # 200 with a page of HTML
    "fewer_vectors",  # one vector less than texts
    "wrong_size",  # vectors one dimension short
    "refuse",  # 400
    "slow",  # the real answer, slow_seconds later
]


class Fault(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A fault in force.

    ``times``: for so many calls, then it is over (None: until removed). ``containing``: only calls
    with a text that contains this. ``retry_after``: seconds a 429 names; None names none.
    """

    kind: FaultKind
    times: int | None = None
    containing: str = ""
    retry_after: float | None = None
    slow_seconds: float = 1.0


class Limits(msgspec.Struct, kw_only=True):
    """The quotas of the project; None is no limit.

    A minute lasts 60 / ``time_scale`` seconds. ``quota_unit``: what one request of the quota is.
    ``name_delay``: whether a 429 says when to come back.
    """

    requests_per_minute: int | None = 3_000
    tokens_per_minute: int | None = 1_000_000
    quota_unit: Literal["call", "text"] = "call"
    time_scale: float = 1.0
    name_delay: bool = True


class Stats(msgspec.Struct, kw_only=True):
    """Counts since the start or the last reset.

    ``calls`` is every embedding call that came in; ``answered``, ``rate_limited`` (quota or fault),
    ``refused`` (other 4xx) and ``faults`` (every fault given) say what became of them. ``texts``,
    ``tokens`` and ``batch_sizes`` (texts of a call: calls) are of answered calls.
    """

    calls: int = 0
    answered: int = 0
    texts: int = 0
    tokens: int = 0
    rate_limited: int = 0
    refused: int = 0
    faults: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    batch_sizes: dict[int, int] = {}
