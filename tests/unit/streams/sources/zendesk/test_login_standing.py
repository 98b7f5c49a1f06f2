"""A login that is refused, and how often it is asked for."""

from __future__ import annotations

import pytest

from schemas.errors import CredentialsError, quoting
from streams.sources.zendesk.standing import LoginStanding
from streams.testing import VirtualClock


async def _known() -> None:
    """Zendesk knows the login."""


def test_one_call_in_a_while_finds_out_whether_a_refused_login_is_mended() -> None:
    clock = VirtualClock()
    standing = LoginStanding(_known, refused_seconds=4.0, clock=clock.clock)
    standing.hold_back()
    standing.refused(quoting(CredentialsError("refused: what Zendesk said"), "what Zendesk said"))
    with pytest.raises(CredentialsError, match="refused: what") as caught:
        standing.hold_back()
    assert caught.value.quoted == "what Zendesk said"
    clock.now += 4.0
    standing.hold_back()
    standing.refused(CredentialsError("again"))
    with pytest.raises(CredentialsError, match="again"):
        standing.hold_back()
    standing.accepted()
    standing.hold_back()


def test_where_no_time_is_given_every_call_is_made() -> None:
    standing = LoginStanding(_known)
    standing.refused(CredentialsError("refused"))
    standing.hold_back()
