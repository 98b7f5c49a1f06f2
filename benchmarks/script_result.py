"""What a plain script finds."""

from __future__ import annotations

import msgspec


class ScriptResult(msgspec.Struct, kw_only=True):
    """What a script prints as JSON; ``seconds`` run from its first call to its last ticket written."""

    tickets: int
    objects: int
    seconds: float
    zendesk_calls: int
    embedding_calls: int
