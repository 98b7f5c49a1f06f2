"""Compares account and index, looks again at what differs, and mends it through the pipeline."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

import numpy as np

from schemas.errors import UserError
from schemas.ids import ALIAS, collection_name
from schemas.settings.load import PREFIX, Settings
from streams.kafka.group_members import active_workers
from streams.kafka.producer import Producer
from streams.kafka.topics import ensure_topics
from streams.limits import QuotaShare
from streams.logins.build import login_for
from streams.retries import RetryPolicy
from streams.sources.zendesk.client import ZendeskClient
from streams.transforms.chunking import CHUNKER_VERSION
from streams.weaviate.client import WeaviateConnection, connect
from streams.weaviate.contents import Contents
from streams.weaviate.failures import translated
from streams.weaviate.ownership import held_target
from ticketstream.operations.imports.commands import new_import_id
from ticketstream.operations.progress import ProgressHook
from ticketstream.operations.reconcile.account import AccountReader
from ticketstream.operations.reconcile.compare import Findings, Kind, Totals, compare, with_account
from ticketstream.operations.reconcile.index import IndexReader
from ticketstream.operations.reconcile.ledger import LedgerReader
from ticketstream.operations.reconcile.mend import Mender
from ticketstream.operations.reconcile.outcome import Mended, Outcome, drift_of
from ticketstream.operations.reconcile.report import publish
from ticketstream.operations.reconcile.settling import settled
from ticketstream.operations.reconcile.states import IndexTable, Ints, Presence, Statuses

_LOOKS: Final = 3
_LONGEST_PAUSE: Final = 30.0
HIDDEN_SECONDS: Final = 60.0
"""How long the export keeps a change to itself. Source: Zendesk's API reference, "Incremental Exports"."""
_SLACK_SECONDS: Final = 30
_PATIENT: Final = RetryPolicy(attempts=30)
"""Some four minutes: whoever waits for a command is told what is wrong, and not only that it waits."""
_GENERAL_SHARE: Final = 0.1
"""Part of the general limit that looking up tickets may take beside the workers, who hold all of it."""


async def reconcile(
    settings: Settings,
    *,
    since: int,
    fix: bool,
    progress: ProgressHook,
    hidden_seconds: float = HIDDEN_SECONDS,
) -> Outcome:
    """Compare the whole account, or what changed ``since`` (Unix seconds, 0: all), and mend it with ``fix``.

    ``hidden_seconds`` is how long the export keeps a change to itself.

    Raises UserError, SettingsError and CredentialsError for what a person must mend, RefusedError for a
    call that Zendesk refuses, UnavailableError when Kafka, Weaviate or Zendesk is away.
    """
    account = settings.account
    login = login_for(settings)
    await ensure_topics(settings)
    async with await connect(settings) as connection:
        collection = await _collection(settings, connection, fix=fix)
        client = ZendeskClient(
            settings.zendesk_url,
            login,
            general=QuotaShare.whole(max(1.0, settings.zendesk.requests_per_minute * _GENERAL_SHARE)),
            incremental=QuotaShare.whole(incremental_share(settings)),
            retry=_PATIENT,
            on_retry=lambda _, error, *__: progress("waiting for Zendesk:", str(error)),
        )
        ledger = LedgerReader(settings.cluster, account, collection)
        async with client, ledger:
            statuses = Statuses()
            run = _Run(
                settings,
                client,
                AccountReader(client, account, statuses, since=since),
                IndexReader(Contents(connection), account, statuses),
                ledger,
                since=since,
                progress=progress,
                hidden=hidden_seconds,
            )
            outcome = await run.run(fix=fix)
    await publish(outcome, settings.cluster)
    return outcome


def incremental_share(settings: Settings) -> float:
    """Return the calls to the export a minute that the workers' own look at it leaves, at least half."""
    limit = settings.zendesk.incremental_requests_per_minute
    return max(limit / 2, limit - math.ceil(60 / settings.zendesk.poll_seconds))


async def _collection(settings: Settings, connection: WeaviateConnection, *, fix: bool) -> str:
    """Return the collection readers read; raises UserError when it is lost, or when workers mend another."""
    mine = collection_name(settings.embedding_model, settings.embedding_dimensions, CHUNKER_VERSION)
    with translated("looking for the collection"):
        target = await held_target(connection.client)
    if fix and target not in (None, mine):
        raise UserError(
            f"{ALIAS} stands for {target}, but by the settings the workers write to {mine}, where nobody "
            f"would read what they mend: if a replay is filling it, wait for its end, else set "
            f"{PREFIX}EMBEDDING__MODEL and {PREFIX}EMBEDDING__DIMENSIONS to those of the import"
        )
    return target or mine


class _Run:
    """One comparison."""

    def __init__(
        self,
        settings: Settings,
        client: ZendeskClient,
        account: AccountReader,
        index: IndexReader,
        ledger: LedgerReader,
        *,
        since: int,
        progress: ProgressHook,
        hidden: float,
    ) -> None:
        self._settings = settings
        self._client = client
        self._account = account
        self._index = index
        self._ledger = ledger
        self._since = since
        self._progress = progress
        self._workers = False
        self._hidden = hidden
        # A change younger than this may not have passed: hidden by the export, then waiting for two looks.
        self._passage = hidden + 2 * settings.zendesk.poll_seconds + _SLACK_SECONDS
        self._all_named_at = math.inf
        """From this moment on, the export has named every ticket that was there when it was first read."""

    async def run(self, *, fix: bool) -> Outcome:
        started = time.monotonic()
        found, totals = await self._first_look()
        certain, changing = await self._look_again(found)
        drift = left = drift_of(certain)
        mended = None
        self._workers = bool(await active_workers(self._settings.cluster))
        if fix and certain.ids.size and self._workers:
            require_an_account(totals, self._settings)
            sent, refused = await self._mend(certain)
            still, new = await self._look_again(certain)
            left, changing = drift_of(still), changing + new
            mended = Mended(sent=sent, mended=int(certain.ids.size - still.ids.size) - new, refused=refused)
        return Outcome(
            account=self._settings.account,
            since=self._since,
            totals=with_account(totals, self._account.newest()),
            drift=drift,
            left=left,
            changing=changing,
            workers=self._workers,
            zendesk_calls=self._client.calls,
            seconds=time.monotonic() - started,
            fix=mended,
        )

    async def _first_look(self) -> tuple[Findings, Totals]:
        account = await self._account.read(
            lambda rows: self._progress("reading the account:", f"{rows:,} tickets")
        )
        self._all_named_at = time.time() + self._hidden + 1
        self._progress("reading what the pipeline has written", "")
        ledger = await self._ledger.read()
        # The index last: whatever the account has said by then has had the most time to arrive.
        only = account.ids[account.presence != Presence.UNREADABLE] if self._since else None
        index = await self._index.read(
            only, lambda objects: self._progress("reading the index:", f"{objects:,} objects")
        )
        # After a start in the midst of time, tickets that the export did not name are unknown to nobody.
        return compare(account, index, ledger, only=only, now=time.time())

    async def _look_again(self, suspects: Findings) -> tuple[Findings, int]:
        """Return what still differs once the pipeline had its chance, and how many it may be at work on."""
        certain: list[Findings] = []
        for look in range(_LOOKS):
            if not suspects.ids.size:
                break
            if look:
                await asyncio.sleep(self._pause(suspects))
            self._progress("waiting for the workers to finish what is on their way", "")
            since = time.time()
            working = await settled(self._settings)
            self._progress("looking again at", f"{suspects.ids.size:,} tickets")
            found = await self._look_at(suspects.ids)
            moving = found.stamps > since - self._passage
            if since < self._all_named_at:
                moving |= found.kinds == Kind.UNKNOWN
            certain.append(found.where(~moving))
            suspects = found.where(moving)
            if not working and not suspects.count(Kind.UNKNOWN):
                break
        return _joined(certain), int(suspects.ids.size)

    def _pause(self, suspects: Findings) -> float:
        pause = min(self._settings.zendesk.poll_seconds, _LONGEST_PAUSE)
        if suspects.count(Kind.UNKNOWN):
            # A ticket deleted within the last minute is not named by the export yet, nor shown any more.
            pause = max(pause, self._all_named_at - time.time())
        return pause

    async def _look_at(self, ids: Ints) -> Findings:
        account = await self._account.read()
        ledger = await self._ledger.read()
        index: IndexTable = await self._index.read(ids)
        found, _ = compare(account, index, ledger, only=ids, now=time.time())
        if found.count(Kind.UNKNOWN):
            account = await self._account.ask(found.ids[found.kinds == Kind.UNKNOWN].tolist())
            found, _ = compare(account, index, ledger, only=ids, now=time.time())
        return found

    async def _mend(self, found: Findings) -> tuple[int, dict[str, str]]:
        settings = self._settings
        producer = Producer(settings.cluster, "ticketstream-cli")
        await producer.start()
        try:
            mender = Mender(
                self._client,
                producer,
                settings.account,
                settings.kafka.partitions,
                run_id=f"reconcile-{new_import_id()}",
            )
            sent = await mender.send(
                found,
                seen_at=int(time.time() - self._hidden) - 1,
                gone=self._account.gone,
                counted=lambda sent: self._progress("sending through the pipeline:", f"{sent:,} tickets"),
            )
            return sent, {str(ticket_id): why for ticket_id, why in mender.refused.items()}
        finally:
            await producer.stop()


def _joined(parts: list[Findings]) -> Findings:
    """Return all findings, by ascending id."""
    empty: Ints = np.zeros(0, dtype=np.int64)
    whole = Findings(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else None
    if whole is None:
        return Findings(empty, empty, empty, empty)
    order = np.argsort(whole.ids, kind="stable")
    return Findings(*(each[order] for each in whole))


def require_an_account(totals: Totals, settings: Settings) -> None:
    """Refuse to empty an index because a wrong account was asked."""
    if not totals.account and totals.indexed:
        raise UserError(
            f"the account at {settings.zendesk_url} shows no ticket, but {totals.indexed:,} are indexed: "
            f"--fix would remove them all; is {PREFIX}ZENDESK__BASE_URL right?"
        )
