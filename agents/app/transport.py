"""Faust's Kafka transport with the waits taken out and its start made safe.

Faust's own consumer polls for 1.5 s at a time, and loses messages in races between a rebalance, a
seek and a fetch under way. The consumer installed here replaces it, and tells the worker's lease of every
sign of life that Kafka accepts (see streams.kafka.lease). docs/decisions/0002-lean-faust-transport.md lists
each finding with what is done about it: read it before Faust or aiokafka is upgraded.
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
