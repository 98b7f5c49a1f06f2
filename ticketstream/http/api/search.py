"""``GET /api/v1/search``: tickets by meaning and by words."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from streams.search.searcher import Searcher, plain_hit
from streams.transforms.text import clean_text
from ticketstream.http.api.models.search import Found
from ticketstream.http.api.problems import ProblemError
from ticketstream.http.api.responses import described, json_answer

_MOST: Final = 100

Question = Annotated[
    str, Query(min_length=1, max_length=4_000, description="What to look for, in your own words.")
]
Filter = Annotated[str | None, Query(min_length=1, max_length=200)]


def search_router(searcher: Searcher) -> APIRouter:
    """Return the route of searches."""
    router = APIRouter(prefix="/api/v1", tags=["search"])

    @router.get("/search", responses=described(Found, "The tickets, the best first."))
    async def search(
        q: Question,
        limit: Annotated[int, Query(ge=1, le=_MOST, description="At most this many tickets.")] = 10,
        status: Filter = None,
        tag: Filter = None,
        public_only: Annotated[bool, Query(description="Leave internal notes out.")] = False,
    ) -> Response:
        """Find tickets by meaning and by words, each with the passage that fits best."""
        if not clean_text(q):
            raise ProblemError(422, "query.q: there is nothing to search for: give some words")
        hits = await searcher.find(q, limit=limit, status=status, tag=tag, public_only=public_only)
        return json_answer({"results": [plain_hit(hit) for hit in hits]})

    return router
