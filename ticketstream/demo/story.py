"""The story between the start and the end of the services, chapter by chapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import UserError
from schemas.messages.imports import ImportRecord
from schemas.settings.load import Settings
from streams.search.searcher import find, query_vector
from ticketstream.demo.changes import SENTENCE, Arrival, changeable, follow_changes
from ticketstream.demo.figures import (
    EmbeddingUse,
    Figures,
    ImportFigures,
    ZendeskUse,
    embedding_use,
    import_figures,
    zendesk_use,
)
from ticketstream.demo.place import Place, Reporting
from ticketstream.demo.plan import FASTER_EXPORT, FASTER_QUOTAS, import_seconds
from ticketstream.demo.questions import HITS, QUESTIONS
from ticketstream.demo.screen import Screen
from ticketstream.demo.summary import second_words
from ticketstream.local.sample.gemini.control import SampleGeminiControl
from ticketstream.local.sample.zendesk.control import SampleZendeskControl
from ticketstream.operations.dead_letters.book import load_dead_letters
from ticketstream.operations.imports.attempt import Attempt, start_import

if TYPE_CHECKING:
    from streams.search.hybrid import Hit
    from streams.weaviate.contents import Counts

_FOUND = 10


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A question and the tickets that were found."""

    question: str
    hits: Sequence[Hit]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What happened."""

    figures: Figures
    answers: list[Answer]


async def tell_story(place: Place, tickets: int, screen: Screen, reporting: Reporting) -> Story:
    """Import, import again, change, ask, and sum up.

    Raises UserError as soon as a step does not do what it should, and what the clients raise.
    """
    settings = place.settings
    with reporting() as report:
        await place.workers.ready(settings.cluster, report)
    screen.say(f"ready after {time.monotonic() - place.began:.0f} s")
    with SampleZendeskControl(settings.zendesk_url) as zendesk:
        screen.chapter(f"Import the account: {tickets:,} tickets")
        screen.say(FASTER_QUOTAS, style="dim")
        first, zendesk_calls, embedding_calls = await _measured_import(settings, zendesk, tickets)
        there = await _counted(settings)
        screen.say(
            f"{first.tickets:,} tickets in {first.seconds:.1f} s; {there.tickets:,} of them can be searched, "
            f"as {there.objects:,} chunks"
        )
        screen.chapter("Import it once more: nothing has changed")
        second = import_figures(await _import(settings, tickets))
        if second.vectors_uploaded or second.embedding_calls:
            raise UserError(f"the second import did work again: {second_words(second)}")
        screen.say(second_words(second))

        screen.chapter("Change tickets in Zendesk, and search until it shows")
        screen.say(FASTER_EXPORT, style="dim")
        arrivals = await _changes(settings, zendesk, screen)

    screen.chapter("Ask three questions")
    answers = [await _ask(settings, question, screen) for question in QUESTIONS]

    letters = await load_dead_letters(settings.cluster)
    figures = Figures(
        account_tickets=tickets,
        searchable_tickets=there.tickets,
        chunks=there.objects,
        first_import=first,
        second_import=second,
        zendesk=zendesk_calls,
        embedding=embedding_calls,
        arrivals=arrivals,
        dead_letters=len(letters.letters) + letters.unreadable,
        worker_restarts=len(place.workers.deaths),
    )
    screen.chapter("Summary")
    screen.summary(figures)
    return Story(figures=figures, answers=answers)


async def _measured_import(
    settings: Settings, zendesk: SampleZendeskControl, tickets: int
) -> tuple[ImportFigures, ZendeskUse, EmbeddingUse]:
    """Import, and see what the services counted meanwhile."""
    async with SampleGeminiControl(str(settings.gemini.base_url)) as gemini:
        await gemini.reset_stats()
        await asyncio.to_thread(zendesk.reset_stats)
        began = time.monotonic()
        record = await _import(settings, tickets)
        seconds = time.monotonic() - began
        seen = zendesk_use(await asyncio.to_thread(zendesk.stats), seconds)
        embedded = embedding_use(
            await gemini.stats(),
            seconds,
            settings.embedding.requests_per_minute,
            settings.embedding.tokens_per_minute,
        )
    return import_figures(record), seen, embedded


async def _import(settings: Settings, tickets: int) -> ImportRecord:
    """Import the account as ``ticketstream import`` does; raises UserError unless all of it succeeds."""
    seconds = import_seconds(tickets)
    try:
        async with asyncio.timeout(seconds):
            known = await start_import(settings, Attempt(), since=0, file=None, wait=True)
    except TimeoutError:
        raise UserError(f"the import has not ended after {seconds:.0f} s") from None
    record = known.record
    if record.status != "completed" or record.failed:
        reason = f": {record.errors[-1]}" if record.errors else ""
        raise UserError(f"the import is {record.status} and {record.failed:,} tickets failed{reason}")
    if record.done < tickets:
        raise UserError(f"the import ended after {record.done:,} of {tickets:,} tickets")
    return record


async def _counted(settings: Settings) -> Counts:
    from streams.weaviate.client import connect
    from streams.weaviate.contents import Contents

    async with await connect(settings) as connection:
        return await Contents(connection).counts(settings.account)


async def _changes(settings: Settings, zendesk: SampleZendeskControl, screen: Screen) -> list[Arrival]:
    from streams.search.hybrid import Search
    from streams.weaviate.client import connect

    ticket_id = await asyncio.to_thread(lambda: changeable(zendesk.truth()))
    vector = await query_vector(settings, SENTENCE)
    async with await connect(settings) as connection:
        search = Search(connection)

        async def look(status: str | None) -> Sequence[Hit]:
            return await search.search(settings.account, SENTENCE, vector, limit=_FOUND, status=status)

        return await follow_changes(zendesk, ticket_id, look, screen.arrival)


async def _ask(settings: Settings, question: str, screen: Screen) -> Answer:
    hits = await find(settings, question, limit=HITS)
    if not hits:
        raise UserError(f"the search finds nothing for {question!r}")
    screen.answers(question, hits)
    return Answer(question=question, hits=hits)
