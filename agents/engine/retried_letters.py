"""Dead letters that were sent again, on their way through the stages."""

from __future__ import annotations

from agents.engine.outcomes import Outcome
from streams.kafka.messages import Incoming


def carry_retry_headers(message: Incoming, done: Outcome) -> Outcome:
    """Return the outcome of a message; the records of a retried dead letter carry its retry headers on.

    The import that has counted the ticket as failed does not count the retry, or one ticket would become two.
    Nor does a retry count for the freshness of the index, as it may have waited for weeks.
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
