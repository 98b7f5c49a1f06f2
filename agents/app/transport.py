"""Faust's Kafka transport with the waits taken out and its start made safe.

Measured on Faust 0.15.3 with Kafka 4.1.1:

- The long poll is fixed at 1.5 s, and one poll of an empty partition blocks the connection to the
  broker for the others; a full stream buffer waits a whole second more. With several topics a live
  change then takes seconds to pass a worker that is otherwise idle.
- Twenty empty fetches a second, each naming every partition, take a tenth of a core of the broker and
  nearly as much of the worker. So an idle worker waits longer for less: the first byte ends its fetch.
- After a rebalance the sources flow while Faust still seeks to the committed offsets, and then
  clears the streams' queues: what arrived in between waits for the next restart while later offsets
  are committed past it. Faust's long wait hides this; a short one shows it. So the sources are held
  back until the flow resumes.
- A partition without a committed offset is not sought at all: what was read of it before a rebalance,
  or dropped in one, would never come again. It is read from its beginning.
- aiokafka takes an empty set of partitions for "all of them", and Faust empties the very set a fetch
  under way has got: the sources' messages are then fetched and dropped. So a fetch gets a set of its own,
  and none is under way while Faust seeks.
- aiokafka asks a broker for nothing while a partition of it has messages that nobody has taken yet, for up to
  0.1 s each time: a backfill that waits for the stages behind it slowed them down.
- The copies of other workers' tables are read entry by entry, and the broker looks at all partitions that
  are waited for with every message. So the copies are read once a second.
- Each message is handed on with four asyncio tasks, where one call that cannot block does.
- A static member never leaves its group: its partitions wait for it for the session time. A worker that stops
  while others work leaves.
- Recovery handles an entry of a changelog at a time, and looks at the state of all partitions for each: 1 M
  entries take minutes. They are written to their table as they are read, a fetch at a time, and Faust
  hears of the last of each fetch only.

It also tells the worker's lease of every sign of life that Kafka accepts (see streams.kafka.lease).
"""

from __future__ import annotations

import faust
from faust.transport.drivers import aiokafka as driver

from agents.app.consumer import TicketConsumer
from streams.kafka.lease import Lease


class _Transport(driver.Transport):
    Consumer = TicketConsumer
    lease: Lease


def install(app: faust.App, lease: Lease) -> None:
    """Give an app this transport, which renews the lease; call it before the app starts."""
    app.transport = _Transport(app.conf.broker_consumer, app)
    app.transport.lease = lease
