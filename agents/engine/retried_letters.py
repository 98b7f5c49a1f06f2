"""Dead letters that were sent again, on their way through the stages."""

from __future__ import annotations

from agents.engine.outcomes import Outcome
from streams.kafka.messages import Incoming


def carry_retry_headers(message: Incoming, done: Outcome) -> Outcome:
    """Return the outcome of a message; one that is a retry passes on the headers that say so.

    The import that counted it as failed counts it no more: one ticket would become two. Nor does it
    tell how fresh the index is, as it may have waited for weeks.
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
