"""Zendesk's login: when it ends, the tokens that were asked for, and the calls that were not let in."""

from __future__ import annotations

import math
from typing import Final

from streams.metrics.make import Maker
from streams.sources.zendesk.login import Login

OUTCOMES: Final = ("ok", "failed", "refused")


class LoginMetrics:
    """Reads the login whenever somebody asks; +Inf stands for no end, or none that is known."""

    def __init__(self, make: Maker) -> None:
        self.ends = make.gauge(
            "zendesk_login_end_timestamp_seconds",
            "When the login ends unless a person does something; +Inf without an end.",
        )
        self.token_ends = make.gauge(
            "zendesk_token_end_timestamp_seconds",
            "When the present access token ends, which is renewed by itself before; +Inf without an end.",
        )
        self.ends.set(math.inf)
        self.token_ends.set(math.inf)
        self.requests = make.sums(
            "zendesk_token_requests", "Requests for an access token, by how they ended.", ("outcome",)
        )
        self.refusals = make.sums("zendesk_login_refusals", "Calls that Zendesk answered with 401.", ())
        for outcome in OUTCOMES:
            self.requests.read(outcome, by=lambda: 0.0)
        self.refusals.read(by=lambda: 0.0)

    def show(self, login: Login) -> None:
        """Show this login from now on."""
        self.ends.set_function(lambda: _end(login.status().ends))
        self.token_ends.set_function(lambda: _end(login.status().token_ends))
        self.requests.read("ok", by=lambda: login.status().renewed)
        self.requests.read("failed", by=lambda: login.status().renewals_failed)
        self.requests.read("refused", by=lambda: login.status().renewals_refused)
        self.refusals.read(by=lambda: login.status().refusals)


def _end(moment: float | None) -> float:
    return math.inf if moment is None else moment
