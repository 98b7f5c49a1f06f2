"""Dead letters: listed by reason, shown with their originals, retried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi import Path as InPath
from starlette.responses import Response

from schemas.settings.load import Settings
from ticketstream.http.api.models.dead_letters import Letter, Letters, Retried, Retry
from ticketstream.http.api.responses import described, json_answer
from ticketstream.operations.dead_letters.book import KnownLetter, find_dead_letter, load_dead_letters
from ticketstream.operations.dead_letters.choice import Filters, by_reason
from ticketstream.operations.dead_letters.document import whole
from ticketstream.operations.dead_letters.settle import Settled
from ticketstream.operations.dead_letters.work import choose, settle
from ticketstream.operations.watch.watch import Watch
from ticketstream.terminal.untrusted import one_line, shortened

RETRY_PATH: Final = "/api/v1/dead-letters/retry"
RETRY_SECONDS: Final = 120.0
"""How long a retry may take; what is done by then is done, and asking again goes on with the rest."""
_IDS: Final = 100
_MESSAGE_CHARACTERS: Final = 200


def dead_letters_router(settings: Settings, watch: Watch) -> APIRouter:
    """Return the routes of dead letters."""
    router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])
    cluster = settings.cluster
    # Two at a time would both find the same letters open, and send them twice.
    one_at_a_time = asyncio.Lock()

    @router.get("", responses=described(Letters, "Open dead letters, the most frequent reason first."))
    async def list_() -> Response:
        """List open dead letters by reason."""
        found = await load_dead_letters(cluster)
        open_ = [known for known in found.letters if known.state == "open"]
        return json_answer({"groups": _groups(open_), "open": len(open_)})

    @router.get("/{letter_id}", responses=described(Letter, "The letter, with its original."))
    async def show(letter_id: Annotated[str, InPath(max_length=200)]) -> Response:
        """Show one dead letter with its original."""
        return json_answer(whole(*await find_dead_letter(cluster, letter_id)))

    @router.post("/retry", responses=described(Retried, "What was sent through the pipeline again."))
    async def retry(asked: Retry) -> Response:
        """Send originals through the pipeline again.

        Only letters that are open are sent (a discarded one where its id is named), and never over a newer
        version of a ticket; what fails again becomes a new letter. A request may be repeated.
        """
        settled = Settled()
        async with one_at_a_time:
            if asked.all and not (await load_dead_letters(cluster)).letters:
                return json_answer(_outcome(0, settled, watch.follower.workers))
            filters = Filters(reasons=(asked.reason,) if asked.reason else ())
            choice = await choose(settings, "retried", asked.ids or (), filters)
            if choice.open:
                await settle(settings, "retried", choice.open, settled)
        skipped = len(choice.chosen) - len(choice.open)
        return json_answer(_outcome(skipped, settled, watch.follower.workers))

    return router


def _groups(letters: Sequence[KnownLetter]) -> list[dict[str, Any]]:
    ids: dict[tuple[str, str], list[str]] = {}
    for known in letters:
        named = ids.setdefault((known.letter.stage, known.letter.error_type), [])
        if len(named) < _IDS:
            named.append(known.letter.id)
    return [
        {
            "stage": group.stage,
            "error_type": group.error_type,
            "reason": group.name,
            "count": group.count,
            "newest_at": group.newest,
            "message": shortened(one_line(group.example.letter.message), _MESSAGE_CHARACTERS),
            "ids": ids[group.stage, group.error_type],
        }
        for group in by_reason(letters)
    ]


def _outcome(skipped: int, settled: Settled, workers: int | None) -> dict[str, Any]:
    return {
        "sent": len(settled.done),
        "skipped": skipped,
        "dead_letters": settled.done,
        "impossible": [{"id": name, "message": why} for name, why in settled.impossible],
        "workers": workers,
    }
