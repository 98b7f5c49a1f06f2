"""Dead letters that were sent again, on their way through the stages."""

from __future__ import annotations

from agents.engine.outcomes import Outcome
from streams.kafka.messages import Incoming


def carry_retry_headers(message: Incoming, done: Outcome) -> Outcome:
    """Return the outcome of a message; the records of a retried dead letter carry the headers that say so.

    A retried message is not counted for its import again: the import has counted it as failed already, and
    would count one ticket twice. It also leaves the freshness of the index alone: it may have waited for
    weeks among the dead letters.
    """
    retry = message.envelope.retry
    if retry is None:
        return done
    carried = message.envelope.retry_headers
    done.records = [
        record._replace(headers=[*(each for each in record.headers if each not in carried), *carried])
        for record in done.records
    ]
    if done.import_id == retry.import_id:
        done.import_id = ""
    done.changed_at = None
    return done
