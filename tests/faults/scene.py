"""The frame of every scenario: an import, an account that changes meanwhile, faults, quiet, comparison."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType, SimpleNamespace
from typing import NamedTuple, cast

import psutil
from changing import Changes, LiveChanges
from comparison import Differences, compare
from desks import AccountDesk, LoggedWorker
from form import Form
from pulse import Pulse
from report import Row

from schemas.topics import EMBEDDED, ENRICHED, INDEXED
from streams.kafka.topics import ensure_topics

QUIET_SECONDS = 150.0


class Scenario(NamedTuple):
    """A fault: its number in the list of faults, and the function that injects it into a scene.

    ``settings`` are those of the scene's workers; ``around`` prepares a scene before it begins. ``short``
    and ``full`` are the forms of the suite that it is part of.
    """

    number: str
    name: str
    run: Callable[[Scene], Awaitable[None]]
    workers: int = 1
    settings: Mapping[str, object] = MappingProxyType({})
    around: Callable[[Scene], AbstractAsyncContextManager[None]] | None = None
    short: bool = True
    full: bool = True


class Scene:
    """An account being imported by workers while it changes.

    The bound on repeated work: a stage marks a ticket as done, in a table or with its offset, after it was
    sent on, and what is marked is never done again. So each loss of what a worker has in flight (it dies or
    is frozen, or a rebalance makes it drop everything) repeats at most the tickets that were in flight
    then, which is never more than the most that were ever in flight at once. So does each send that Kafka did
    not confirm. A message that the stage before has sent twice is worked on twice, too. (See
    report.Row.within_bounds.)
    """

    def __init__(self, desk: AccountDesk, pulse: Pulse, scenario: Scenario, form: Form) -> None:
        self.desk = desk
        self.pulse = pulse
        self.form = form
        self.chance: random.Random = form.random(scenario.name)
        self.resumed: list[float] = []
        self.faults = 0
        self.deaths = 0
        """Workers that lost what they held without a rebalance of their own."""
        self.restarts = 0
        """Workers that ended by themselves and were started again."""
        self.note = ""
        self.tools = SimpleNamespace()
        """What the scenario injects its faults with."""
        self.cable_ports = (0, 0)
        """Kafka's listener behind a cable, and the end of the cable that it names to its clients."""
        self.calls_lost = 0
        """Calls of Zendesk that failed on purpose."""
        self.live: LiveChanges | None = None
        self.changed: Counter[str] = Counter()
        """Changes made, by kind, once they are stopped."""
        self.webhooks = 0
        """Webhooks that were sent."""
        self.poison = 0
        """Dead letters that must be there at the end."""
        self._scenario = scenario
        self._memory = 0
        self._began = time.monotonic()

    @property
    def workers(self) -> list[LoggedWorker]:
        """The workers that run."""
        return [cast(LoggedWorker, worker) for worker in self.desk.workers if worker.runs]

    # Before the faults.

    async def begin(self) -> None:
        """Start the workers, the changes and the import."""
        self.desk.configure(
            ZENDESK__REQUESTS_PER_MINUTE=self.form.requests_per_minute, **self._scenario.settings
        )
        for _ in range(self._scenario.workers):
            self.desk.worker()
        await self.shared_out()
        self._assignments = self.desk.logged("partitions assigned")
        self._watcher = asyncio.create_task(self._look_after_workers())
        self.live = LiveChanges(
            self.desk.settings.zendesk_url,
            random.Random(self.chance.random()),
            self.form.changes_per_second,
        )
        self.live.start()
        self.import_id = await self.desk.begin_import()

    async def shared_out(self, workers: Iterable[LoggedWorker] | None = None) -> None:
        """Wait until the workers that run have all partitions, each its own."""
        wanted = set(range(self.desk.partitions))

        def shared() -> bool:
            given = [worker.partitions for worker in self.workers if workers is None or worker in workers]
            return (
                all(given)
                and set().union(*given) == wanted
                and sum(len(each) for each in given) == len(wanted)
            )

        await until(shared, 90, f"the partitions are shared out\n{self.desk.log()}")

    def start_worker(self) -> LoggedWorker:
        """Start another worker."""
        return self.desk.worker()

    # The moments of the faults.

    async def moments(self, count: int | None = None) -> AsyncIterator[int]:
        """Yield at random moments of the import, the first not before a tenth of it is indexed."""
        count = count or self.form.injections
        shares = sorted(self.chance.uniform(0.08, 0.8) for _ in range(count))
        for number, share in enumerate(shares):
            await self.indexed(share)
            await asyncio.sleep(self.chance.uniform(0, 0.5))
            self.faults += 1
            yield number

    async def in_turn(self, *faults: Callable[[Scene], Awaitable[None]]) -> None:
        """Inject one fault at each moment, one kind after the other."""
        async for number in self.moments():
            await faults[number % len(faults)](self)

    async def indexed(self, share: float) -> None:
        """Wait until this share of the imported tickets is in the index."""
        enough = share * self.form.tickets
        await self.pulse.wait(
            lambda: len(self.pulse.indexed) >= enough,
            QUIET_SECONDS,
            f"{enough:.0f} tickets indexed ({len(self.pulse.indexed)} are)\n{self.desk.log()}",
        )

    async def resumes(self, since: float, partitions: Iterable[int]) -> None:
        """Note how long after a moment the first message comes in one of these partitions."""
        own = set(partitions)
        await self.pulse.wait(
            lambda: self.pulse.first_since(since, own) is not None,
            QUIET_SECONDS,
            f"work again in {sorted(own)}\n{self.desk.log()}",
        )
        self.resumed.append(round((self.pulse.first_since(since, own) or since) - since, 2))

    async def restart(self, *workers: LoggedWorker) -> list[LoggedWorker]:
        """Kill workers, and start them again once all they had sent was seen: a quarter of a second later."""
        partitions = set().union(*(worker.partitions for worker in workers))
        for worker in workers:
            worker.asked = True
            os.kill(worker.pid, signal.SIGKILL)
        for worker in workers:
            worker.kill()
        self.deaths += len(workers)
        await self.silence(partitions)
        return [self.start_worker() for _ in workers]

    async def silence(self, partitions: Collection[int]) -> None:
        """Wait until nothing has come in these partitions for a quarter of a second."""
        while self.pulse.first_since(time.monotonic() - 0.25, partitions) is not None:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)

    def change_each(self, tickets: Sequence[int]) -> None:
        """Change the texts of these tickets, now."""
        changes = Changes(self.desk.settings.zendesk_url, self.chance)
        changes.each_of(tickets)
        changes.close()
        self.changed += changes.counts

    # After the faults.

    async def stop_changes(self) -> None:
        """Let the account rest."""
        live, self.live = self.live, None
        if live is not None:
            await asyncio.to_thread(live.stop)
            self.changed += live.counts

    async def finish(self) -> tuple[Row, Differences]:
        """Wait until the pipeline is quiet, compare everything; returns the figures and what differs."""
        await self.stop_changes()
        await self._caught_up()
        comparison = await compare(self.desk)
        self._watcher.cancel()
        found = comparison.differences
        pulse = self.pulse
        calls = self.desk.comment_calls() - pulse.comment_calls_needed() - self.calls_lost
        row = Row(
            number=self._scenario.number,
            scenario=self._scenario.name,
            seed=self.form.seed,
            tickets=self.form.tickets,
            changes=sum(self.changed.values()) - self.changed["refused"],
            webhooks=self.webhooks,
            faults=self.faults,
            lost=found.lost,
            doubled=found.doubled,
            stale=found.stale,
            orphaned=found.orphaned,
            wrong_visibility=found.visibility,
            other=found.facts + found.ids + found.words + found.vectors,
            enriched_twice=pulse.repeated(ENRICHED),
            calls_twice=calls,
            embedded_twice=pulse.repeated(EMBEDDED),
            texts_twice=pulse.texts_embedded_twice(),
            indexed_twice=pulse.repeated(INDEXED),
            losses=self._losses(),
            in_flight=pulse.most_in_flight,
            dead_letters=len([each for each in await self.desk.dead_letters() if self._is_ours(each.key)]),
            resume_seconds=self.resumed,
            memory_mb=round(self._memory / 1e6),
            seconds=round(time.monotonic() - self._began, 1),
            note=self.note or (f"{self.restarts} workers ended by themselves" if self.restarts else ""),
        )
        return row, found

    def _is_ours(self, key: str | None) -> bool:
        return key is not None and self.desk.account.encode() in base64.b64decode(key)

    def _losses(self) -> int:
        """Return how often what a worker held was lost, or had to be sent again."""
        dropped = self.desk.logged('"partitions assigned"') - self._assignments
        return dropped + self.deaths + self.desk.logged("Kafka did not take")

    async def _caught_up(self) -> None:
        """A last ticket, made after everything else, is indexed; then nothing is left to acknowledge."""
        await asyncio.sleep(1.1)  # Zendesk's times are whole seconds
        last = self.desk.zendesk.create_ticket("The last ticket", "What came before it was read before it")
        number: int = last["id"]
        await self.pulse.wait(
            lambda: number in self.pulse.indexed,
            QUIET_SECONDS,
            f"the live source has caught up\n{self.desk.log()}",
        )
        record = await self.desk.import_state(self.import_id, seconds=QUIET_SECONDS)
        assert record.status == "completed", record
        quiet = 0
        deadline = time.monotonic() + QUIET_SECONDS
        while quiet < 2:
            left = await self.desk.unacknowledged()
            quiet = 0 if left else quiet + 1
            assert time.monotonic() < deadline, f"never quiet: {left}\n{self.desk.log()}"
            await asyncio.sleep(0.3)

    async def _look_after_workers(self) -> None:
        """Note their memory, and start again what ended by itself, as ``ticketstream worker`` does."""
        while True:
            for ended in [each for each in self.desk.workers if not each.runs]:
                self.desk.workers.remove(ended)
                if not cast(LoggedWorker, ended).asked:
                    self.deaths += 1
                    self.restarts += 1
                    self.start_worker()
            for worker in self.workers:
                try:
                    self._memory = max(self._memory, psutil.Process(worker.pid).memory_info().rss)
                except psutil.Error:
                    continue
            await asyncio.sleep(0.5)


@asynccontextmanager
async def opened(desk: AccountDesk, scenario: Scenario, form: Form) -> AsyncIterator[Scene]:
    """Open a scene on a desk that has started, and end what it has begun."""
    await ensure_topics(desk.settings)
    async with Pulse(desk.settings.cluster, desk.account) as pulse:
        scene = Scene(desk, pulse, scenario, form)
        try:
            yield scene
        finally:
            await scene.stop_changes()


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what}"
        await asyncio.sleep(0.05)
