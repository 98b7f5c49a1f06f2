"""A call that Zendesk answers with 401 asks the login for another header."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from schemas.errors import CredentialsError, UnavailableError
from schemas.messages.workers import Trouble
from streams.limits import QuotaShare
from streams.retries import RetryPolicy
from streams.sources.zendesk.client import ZendeskClient
from streams.sources.zendesk.exchange import LoginAwayError
from streams.sources.zendesk.login import LoginStatus
from streams.sources.zendesk.troubles import Troubles
from tests.zendesk_fixtures import unlimited

ANY = msgspec.json.Decoder(dict[str, Any])


class Login:
    """Gives ``headers`` one after the other; a refused one is followed by the next while there are any."""

    variables = "THE_SETTINGS"

    def __init__(self, *headers: str) -> None:
        self.left = list(headers)
        self.told: list[str] = []
        self.closed = False

    async def authorization(self) -> str:
        if self.left[0] == "later":
            self.left.pop(0)
            raise UnavailableError("no token for now")
        return self.left[0]

    def accepted(self, authorization: str) -> None:
        self.told.append(f"accepted {authorization}")

    async def refused(self, authorization: str) -> bool:
        self.told.append(f"refused {authorization}")
        if authorization == self.left[0] and len(self.left) > 1:
            self.left.pop(0)
            return True
        return authorization != self.left[0]

    def status(self) -> LoginStatus:
        return LoginStatus("client_credentials")

    async def aclose(self) -> None:
        self.closed = True


class Zendesk:
    """Lets in who sends a header of ``good``, and notes each call's."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.seen: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        header = request.headers["authorization"]
        self.seen.append(header)
        return httpx.Response(200, json={"ok": 1}) if header in self.good else httpx.Response(401, json={})


def client_of(login: Login, zendesk: Any, **more: Any) -> ZendeskClient:
    options: dict[str, Any] = {"general": unlimited(), "incremental": unlimited(), **more}
    return ZendeskClient(
        "https://acme.zendesk.com",
        login,
        retry=RetryPolicy(attempts=3, factor=0),
        transport=httpx.MockTransport(zendesk),
        **options,
    )


async def ask(client: ZendeskClient) -> int:
    return (await client.get("/x.json", ANY, "export")).calls


async def test_the_call_goes_on_at_once_with_the_new_header_and_is_counted() -> None:
    calls: list[tuple[str, int]] = []
    retried: list[Any] = []
    quota = QuotaShare.whole(1)  # a second token would take a minute
    zendesk, login = Zendesk("new"), Login("old", "new")
    client = client_of(
        login,
        zendesk,
        general=quota,
        incremental=QuotaShare.whole(1),
        on_call=lambda endpoint, status, _: calls.append((endpoint, status)),
        on_retry=lambda *one: retried.append(one),
    )
    assert await ask(client) == 2 and client.calls == 2
    assert zendesk.seen == ["old", "new"]
    assert calls == [("export", 401), ("export", 200)] and retried == []
    assert quota.acquired_total == 1
    assert login.told == ["refused old", "accepted new"]


async def test_a_login_without_another_header_is_wrong() -> None:
    zendesk, login = Zendesk(), Login("only")
    client = client_of(login, zendesk)
    with pytest.raises(CredentialsError, match="check THE_SETTINGS"):
        await ask(client)
    assert zendesk.seen == ["only"]


async def test_no_call_goes_through_headers_for_ever() -> None:
    zendesk, login = Zendesk(), Login(*(f"h{number}" for number in range(10)))
    with pytest.raises(CredentialsError, match="401"):
        await ask(client_of(login, zendesk))
    assert zendesk.seen == ["h0", "h1", "h2"]


async def test_the_login_hears_once_that_a_header_is_let_in_and_again_after_a_refusal() -> None:
    zendesk, login = Zendesk("one"), Login("one")
    client = client_of(login, zendesk)
    await ask(client)
    await ask(client)
    assert login.told == ["accepted one"]
    zendesk.good.clear()
    with pytest.raises(CredentialsError):
        await ask(client)
    zendesk.good.add("one")
    await ask(client)
    assert login.told == ["accepted one", "refused one", "accepted one"]


@pytest.mark.parametrize(("status", "told"), [(404, ["accepted one"]), (503, []), (429, [])])
async def test_only_who_has_looked_at_the_login_has_let_it_in(status: int, told: list[str]) -> None:
    login = Login("one")
    client = client_of(login, lambda _: httpx.Response(status, json={}))
    with pytest.raises(Exception, match=str(status)):
        await ask(client)
    assert login.told == told


async def test_a_token_that_comes_later_is_waited_for() -> None:
    zendesk, login = Zendesk("one"), Login("later", "one")
    retried: list[Any] = []
    client = client_of(login, zendesk, on_retry=lambda *one: retried.append(one))
    assert await ask(client) == 1
    assert zendesk.seen == ["one"]
    ((_, error, *_),) = retried
    assert isinstance(error, LoginAwayError)


async def test_a_token_that_does_not_come_is_said_and_is_no_tickets_fault() -> None:
    zendesk, login = Zendesk("one"), Login("later", "later", "one")
    now = 1000.0
    said: list[list[Trouble]] = []

    def later(*_: Any) -> None:
        nonlocal now
        now += 10
        said.append(client.troubles.now())

    client = client_of(login, zendesk, on_retry=later)
    client.troubles = Troubles(lambda: now)
    assert await ask(client) == 1
    assert said == [[], [Trouble("answers", 1000.0, "no token for now")]]
    assert client.troubles.now() == []
    assert client.troubles.counts("export") == (1, 0)


@pytest.mark.parametrize("its_own", [True, False])
async def test_a_client_closes_a_login_that_is_its_own(its_own: bool) -> None:
    login = Login("one")
    async with client_of(login, Zendesk(), closes_login=its_own):
        pass
    assert login.closed == its_own
