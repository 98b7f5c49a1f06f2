"""Which grant an OAuth client with a secret has: what a person has stored comes first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from login_fixtures import Scene

from schemas.errors import CredentialsError, SettingsError, UnavailableError
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from streams.logins import stored as stored_login
from streams.logins.build import login_for
from streams.logins.chosen import ChosenLogin
from streams.logins.renewing import RenewingLogin
from streams.sources.zendesk.auth import ClientLogin
from streams.sources.zendesk.login import StaticLogin


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


class Own(StaticLogin):
    """A login whose header is ``own``; it may be refused."""

    wrong = False

    async def authorization(self) -> str:
        if self.wrong:
            raise CredentialsError("the client may not use this grant")
        return "own"


def chosen(scene: Scene, own: StaticLogin | None = None) -> ChosenLogin:
    async def there(_: str) -> bool:
        if scene.topic.away:
            raise UnavailableError("Kafka is away")
        return bool(scene.topic.records)

    return ChosenLogin(
        own or Own("own", "CLIENT"),
        scene.process().login,
        "kafka:9092",
        there=there,
        clock=scene.clock.clock,
    )


async def a_person_logs_in(scene: Scene) -> None:
    process = scene.process()
    await process.view.open()
    await process.stored.begin(await process.endpoint.renewed(scene.first_token()))
    await process.view.aclose()


async def test_without_a_stored_login_the_client_has_its_own(scene: Scene) -> None:
    login = chosen(scene)
    assert await scene.clock.run(login.authorization()) == "own"
    assert scene.topic.readers == []


async def test_a_stored_login_comes_first(scene: Scene) -> None:
    await a_person_logs_in(scene)
    login = chosen(scene)
    header = await scene.clock.run(login.authorization())
    assert header is not None
    assert scene.lets_in(header)
    assert login.status().grant == "refresh_token"


async def test_while_kafka_is_away_the_own_one_serves_and_it_is_looked_again(scene: Scene) -> None:
    await a_person_logs_in(scene)
    login = chosen(scene)
    scene.topic.away = True
    assert await scene.clock.run(login.authorization()) == "own"
    scene.topic.away = False
    assert await scene.clock.run(login.authorization()) == "own"
    scene.clock.now += 16
    assert await scene.clock.run(login.authorization()) != "own"


async def test_a_client_that_is_refused_takes_what_a_person_stores_later(scene: Scene) -> None:
    own = Own("own", "CLIENT")
    own.wrong = True
    login = chosen(scene, own)
    with pytest.raises(CredentialsError):
        await scene.clock.run(login.authorization())
    await a_person_logs_in(scene)
    scene.clock.now += 16
    assert await scene.clock.run(login.authorization()) != "own"


async def test_many_first_calls_look_once(scene: Scene) -> None:
    await a_person_logs_in(scene)
    login = chosen(scene)
    headers = await scene.clock.run(asyncio.gather(*(login.authorization() for _ in range(20))))
    assert headers is not None
    assert len(set(headers)) == 1
    assert len(scene.topic.readers) == 1


# Which login the settings mean.


def settings(tmp_path: Path, **zendesk: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        zendesk=ZendeskSettings.model_validate({"subdomain": "acme", **zendesk}),
        data_dir=tmp_path,
    )


def test_the_settings_say_which_login(tmp_path: Path) -> None:
    given = {"oauth_client_id": "c", "oauth_client_secret": "s" * 40}
    assert isinstance(login_for(settings(tmp_path, **given)), ChosenLogin)
    assert isinstance(login_for(settings(tmp_path, **given, oauth_refresh_token="r")), RenewingLogin)
    assert not list(tmp_path.iterdir()), "a key file is for clients without a secret"
    assert isinstance(login_for(settings(tmp_path, oauth_client_id="c")), RenewingLogin)
    assert isinstance(login_for(settings(tmp_path, oauth_token="t")), StaticLogin)
    alone = settings(tmp_path, **given).model_copy(update={"kafka": KafkaSettings()})
    assert isinstance(login_for(alone), ClientLogin)


def test_a_refresh_token_needs_its_client(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"OAUTH_REFRESH_TOKEN is set but .*OAUTH_CLIENT_ID is not"):
        login_for(settings(tmp_path, oauth_refresh_token="r"))


def test_the_key_file_is_its_owners_and_stays(tmp_path: Path) -> None:
    login_for(settings(tmp_path, oauth_client_id="c"))
    file = tmp_path / stored_login.KEY_FILE
    key = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    login_for(settings(tmp_path, oauth_client_id="c"))
    assert file.read_text() == key
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("short")
    with pytest.raises(SettingsError, match="copy it anew"):
        login_for(settings(tmp_path, oauth_client_id="c"))
