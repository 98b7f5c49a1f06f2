"""Tokens that end: got once for all who wait, renewed behind the calls, and what a 401 means."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas.errors import CredentialsError, RateLimitedError, UnavailableError
from streams.sources.zendesk.client_login import FRESH_SECONDS, ClientLogin
from streams.sources.zendesk.tokens import Granted
from streams.testing import settle

VARIABLES = "ID and SECRET"


class Zendesk:
    """Gives numbered tokens of ``life`` seconds; ``answers`` go first: an error, or a life."""

    def __init__(self, life: float | None = 1800.0) -> None:
        self.life = life
        self.now = 5_000.0
        self.unix = 1_000_000.0
        self.asked = 0
        self.answers: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self) -> Granted:
        self.asked += 1
        await self.gate.wait()
        if self.answers:
            raise self.answers.pop(0)
        return Granted(f"t{self.asked}", self.life)

    def login(self, chance: float = 0.5) -> ClientLogin:
        return ClientLogin(
            self.ask,
            variables=VARIABLES,
            scope="read",
            clock=lambda: self.now,
            now=lambda: self.unix,
            chance=lambda: chance,
        )


async def test_one_request_serves_all_calls_that_wait() -> None:
    zendesk = Zendesk()
    zendesk.gate.clear()
    login = zendesk.login()
    calls = [asyncio.create_task(login.authorization()) for _ in range(50)]
    await settle()
    calls[0].cancel()
    await settle()
    zendesk.gate.set()
    got = await asyncio.gather(*calls[1:])
    assert set(got) == {"Bearer t1"} and zendesk.asked == 1


async def test_a_token_is_renewed_behind_the_calls_while_it_lives() -> None:
    zendesk = Zendesk(life=20.0)
    login = zendesk.login()
    assert await login.authorization() == "Bearer t1"
    zendesk.now += 15.9
    assert await login.authorization() == "Bearer t1" and zendesk.asked == 1
    zendesk.now += 0.2  # 0.8 of its life
    zendesk.gate.clear()
    assert [await login.authorization() for _ in range(20)] == ["Bearer t1"] * 20, "nobody waits"
    await settle()
    assert zendesk.asked == 2
    zendesk.gate.set()
    await settle()
    assert await login.authorization() == "Bearer t2"
    assert login.status().renewed == 2


@pytest.mark.parametrize(("chance", "part"), [(0.0, 0.75), (1.0, 0.85)])
@pytest.mark.parametrize("life", [20.0, 1800.0, 172_800.0])
async def test_the_moment_of_renewal_differs_between_processes(
    life: float, chance: float, part: float
) -> None:
    zendesk = Zendesk(life=life)
    login = zendesk.login(chance)
    await login.authorization()
    zendesk.now += life * part - 0.01
    await login.authorization()
    await settle()
    assert zendesk.asked == 1
    zendesk.now += 0.02
    await login.authorization()
    await settle()
    assert zendesk.asked == 2


async def test_a_renewal_that_fails_is_tried_again_while_the_old_token_serves() -> None:
    zendesk = Zendesk(life=100.0)
    login = zendesk.login()
    await login.authorization()
    zendesk.answers = [UnavailableError("503"), RateLimitedError("429", 4.0), UnavailableError("away")]
    zendesk.now += 80
    asked = []
    for _ in range(10):
        assert await login.authorization() == "Bearer t1"
        await settle()
        asked.append(zendesk.asked)
        zendesk.now += 1
    assert zendesk.asked == 5, "after 1 s, 4 s and 4 s"
    assert asked[0] == 2 and asked[1] == 3 and asked[4] == 3 and asked[5] == 4
    assert await login.authorization() == "Bearer t5"
    status = login.status()
    assert (status.renewed, status.renewals_failed, status.refused) == (2, 3, None)


async def test_with_no_token_left_calls_are_told_when_to_ask_again() -> None:
    zendesk = Zendesk(life=100.0)
    zendesk.answers = [UnavailableError("503", 7.0)]
    login = zendesk.login()
    with pytest.raises(UnavailableError, match="503"):
        await login.authorization()
    zendesk.now += 2
    for _ in range(10):
        with pytest.raises(UnavailableError) as raised:
            await login.authorization()
        assert raised.value.retry_after == 5.0
    assert zendesk.asked == 1
    zendesk.now += 5
    assert await login.authorization() == "Bearer t2"


async def test_an_old_token_that_is_refused_gets_a_new_one_for_all() -> None:
    zendesk = Zendesk()
    login = zendesk.login()
    old = await login.authorization()
    login.accepted(old)
    assert await asyncio.gather(*(login.refused(old) for _ in range(50))) == [True] * 50
    assert zendesk.asked == 2
    assert await login.authorization() == "Bearer t2"
    assert await login.refused(old), "one that comes late changes nothing"
    assert zendesk.asked == 2
    assert login.status().refusals == 51 and login.status().refused is None


async def test_a_token_that_lay_unused_is_not_fresh() -> None:
    zendesk = Zendesk()
    login = zendesk.login()
    old = await login.authorization()
    zendesk.now += FRESH_SECONDS
    assert await login.refused(old)


@pytest.mark.parametrize(
    ("life", "age", "fresh"), [(20.0, 9.0, True), (20.0, 11.0, False), (1e4, 61.0, False)]
)
async def test_a_token_past_half_its_life_may_have_ended_on_its_way(
    life: float, age: float, fresh: bool
) -> None:
    zendesk = Zendesk(life=life)
    login = zendesk.login()
    header = await login.authorization()
    zendesk.now += age
    assert await login.refused(header) is not fresh


async def test_a_thing_that_is_refused_whatever_the_token_does_not_cost_tokens_without_end() -> None:
    zendesk = Zendesk()
    login = zendesk.login()
    replaced = 0
    for _ in range(100):
        header = await login.authorization()
        login.accepted(header)
        replaced += await login.refused(header)
        zendesk.now += 0.1
    assert replaced == 30 and zendesk.asked == 31
    assert login.status().refused is None and await login.authorization() == "Bearer t31"
    zendesk.now += 60
    assert await login.refused("Bearer t31")


async def test_a_fresh_token_that_is_refused_is_a_wrong_login_until_one_is_let_in() -> None:
    zendesk = Zendesk()
    login = zendesk.login()
    asked = []
    for _ in range(40):
        try:
            header = await login.authorization()
        except CredentialsError as error:
            assert VARIABLES in str(error)
        else:
            assert not await login.refused(header)
        assert login.status().refused
        asked.append(zendesk.asked)
        zendesk.now += 1
    # At 0, 1, 3, 7, 15, 30 … s
    assert [asked.count(number) for number in range(1, 6)] == [1, 2, 4, 8, 15]
    zendesk.now += 15
    login.accepted(await login.authorization())
    assert login.status().refused is None
    header = await login.authorization()
    assert await login.refused(header)


async def test_a_refused_client_is_asked_for_again_until_it_is_mended() -> None:
    zendesk = Zendesk(life=20.0)
    zendesk.answers = [CredentialsError("401 invalid_client")] * 3
    login = zendesk.login()
    for seconds in (1, 2, 4):
        with pytest.raises(CredentialsError, match="invalid_client"):
            await login.authorization()
        zendesk.now += seconds - 0.01
        before = zendesk.asked
        with pytest.raises(CredentialsError, match="invalid_client"):
            await login.authorization()
        assert zendesk.asked == before
        assert "invalid_client" in (login.status().refused or "")
        zendesk.now += 0.01
    assert await login.authorization() == "Bearer t4"
    assert login.status().refused is None and login.status().renewals_refused == 3


async def test_a_client_refused_while_its_token_lives_hurts_when_that_has_ended() -> None:
    zendesk = Zendesk(life=100.0)
    login = zendesk.login()
    await login.authorization()
    zendesk.now += 90
    zendesk.answers = [CredentialsError("401 invalid_client")]
    assert await login.authorization() == "Bearer t1"
    await settle()
    assert login.status().refused is None and login.status().renewals_refused == 1
    zendesk.now += 9.9
    zendesk.answers = [CredentialsError("401 invalid_client")] * 9
    assert await login.authorization() == "Bearer t1"
    await settle()
    zendesk.now += 0.1
    with pytest.raises(CredentialsError, match="invalid_client"):
        await login.authorization()
    assert login.status().refused


async def test_steps_of_the_machines_clock_end_no_token() -> None:
    zendesk = Zendesk(life=1800.0)
    login = zendesk.login()
    await login.authorization()
    for step in (-10_000_000.0, 20_000_000.0):
        zendesk.unix += step
        zendesk.now += 10
        assert await login.authorization() == "Bearer t1"
        assert login.status().token_ends == pytest.approx(zendesk.unix + 6_800.0 - zendesk.now)
    assert zendesk.asked == 1


async def test_a_token_without_a_known_end_serves_until_it_is_refused() -> None:
    zendesk = Zendesk(life=None)
    login = zendesk.login()
    await login.authorization()
    zendesk.now += 1e9
    header = await login.authorization()
    assert header == "Bearer t1" and login.status().token_ends is None
    assert await login.refused(header)
    assert await login.authorization() == "Bearer t2"


async def test_a_closed_login_leaves_nothing_and_can_be_used_again() -> None:
    zendesk = Zendesk(life=20.0)
    login = zendesk.login()
    await login.authorization()
    zendesk.now += 18
    zendesk.gate.clear()
    await login.authorization()
    await settle()
    await login.aclose()
    await login.aclose()
    zendesk.gate.set()
    zendesk.now += 5
    assert await login.authorization() == "Bearer t3"


async def test_the_token_does_not_show_itself() -> None:
    login = Zendesk().login()
    await login.authorization()
    assert "t1" not in repr(vars(login)) and "t1" not in repr(Granted("t1", 1.0))


@pytest.mark.parametrize("failing", [CredentialsError("no"), UnavailableError("no")])
async def test_each_call_gets_an_error_of_its_own(failing: Any) -> None:
    zendesk = Zendesk()
    zendesk.answers = [failing]
    login = zendesk.login()
    raised: list[BaseException] = []
    for _ in range(2):
        try:
            await login.authorization()
        except type(failing) as error:
            raised.append(error)
    assert len({id(each) for each in raised}) == 2, "else their tracebacks would grow together"
