"""What a worker tells of itself."""

from __future__ import annotations

from typing import Literal

import msgspec


class Trouble(msgspec.Struct):
    """Why calls to Zendesk do not go on, and since when (Unix seconds).

    ``login``: it is refused. ``export``: the login may not read it. ``answers``: calls get none that is
    usable. ``reason`` says what to mend.
    """

    kind: Literal["login", "export", "answers"]
    since: float
    reason: str


class WorkerState(msgspec.Struct, kw_only=True):
    """What a worker cannot do at a moment (``at``, Unix seconds), on ``workers.states``."""

    worker: str
    at: float
    troubles: list[Trouble] = []
