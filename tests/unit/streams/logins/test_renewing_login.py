"""A login renewed with a refresh token: one renews, all have the pair, and no refresh token is used twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from login_fixtures import ACCOUNT, CLIENT_ID, Process, Scene

from schemas.errors import CredentialsError, UnavailableError
from schemas.logins import LoginBegun, LoginClaim, LoginDead, LoginPair, login_key
from streams.logins.renewer import CLAIM_SECONDS


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("*.pending"))


async def header(scene: Scene, process: Process) -> str:
    got = await scene.clock.run(process.login.authorization())
    assert got is not None
    return got


async def call(scene: Scene, process: Process, *, let_in: list[float] | None = None) -> None:
    """A call to the API as the client makes it; the time it took is noted."""
    began = scene.clock.now
    for _ in range(3):
        authorization = await process.login.authorization()
        await asyncio.sleep(0)
        if scene.lets_in(authorization):
            process.login.accepted(authorization)
            if let_in is not None:
                let_in.append(scene.clock.now - began)
            return
        assert await process.login.refused(authorization)
    raise AssertionError("refused for good")


async def test_the_settings_token_begins_and_is_used_once(scene: Scene) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token, by="two")
    first = await header(scene, one)
    assert scene.lets_in(first)
    assert await header(scene, two) == first
    assert [asked["refresh_token"] for asked in scene.asked] == [token]
    # Restarted with the same setting: the stored pair counts, not the used token.
    assert await header(scene, scene.process(token, by="three")) == first
    assert len(scene.asked) == 1


async def test_a_new_token_in_the_settings_takes_over_and_the_old_one_never_again(scene: Scene) -> None:
    old, new = scene.first_token(), scene.first_token()
    await header(scene, scene.process(old))
    second = await header(scene, scene.process(new))
    assert await header(scene, scene.process(old)) == second
    assert [asked["refresh_token"] for asked in scene.asked] == [old, new]


async def test_a_wrong_token_in_the_settings_leaves_the_stored_login_in_force(scene: Scene) -> None:
    first = await header(scene, scene.process(scene.first_token()))
    mistyped = scene.process("no such token")
    for _ in range(3):
        assert await header(scene, mistyped) == first
        scene.clock.now += 60
    assert len(scene.asked) == 2


async def test_only_a_wrong_token_in_the_settings_is_told_with_its_variable(scene: Scene) -> None:
    process = scene.process("no such token")
    for _ in range(2):
        with pytest.raises(CredentialsError, match=r"ZENDESK__OAUTH_REFRESH_TOKEN.*`ticketstream login`"):
            await header(scene, process)
        scene.clock.now += 60
    assert len(scene.asked) == 1, "a refresh token that was refused is not tried again"
    assert process.login.status().refused is not None


async def test_without_any_login_the_command_is_named(scene: Scene) -> None:
    with pytest.raises(CredentialsError, match="ticketstream login"):
        await header(scene, scene.process())
    assert scene.asked == []


async def test_one_of_many_renews_before_the_end_and_all_go_on(scene: Scene) -> None:
    token = scene.first_token()
    processes = [scene.process(token, by=str(number)) for number in range(5)]
    waits: list[float] = []

    async def work() -> None:
        for _ in range(2 * 3600 // 20):
            await asyncio.gather(*(call(scene, process, let_in=waits) for process in processes))
            await scene.clock.sleep(20)

    await scene.clock.run(work())
    assert scene.zendesk.dead_refresh_uses == 0
    # Tokens of half an hour: renewed between 60 and 75 % of that.
    assert 2 * 3600 / (0.75 * 1800) - 1 <= len(scene.asked) - 1 <= 2 * 3600 / (0.6 * 1800) + 1
    assert len(waits) == 5 * 360
    assert max(waits) == 0.0
    assert sum(process.login.status().renewed for process in processes) == len(scene.asked)


async def test_a_call_under_way_when_the_token_dies_goes_on_with_the_new_one(scene: Scene) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token)
    old = await header(scene, one)
    assert await header(scene, two) == old
    scene.clock.now += 1400
    # The owner's renewal takes a second at Zendesk; the other's call comes in between.
    scene.before_answer = lambda: scene.clock.sleep(1)
    renewal = asyncio.ensure_future(one.renewer.renew(one.view.held.pair if one.view.held else None, "due"))
    await scene.clock.settle()
    began = scene.clock.now
    got = await header(scene, two)
    assert got != old
    assert scene.lets_in(got)
    assert scene.clock.now - began <= 1.0
    await renewal
    assert await scene.clock.run(two.login.refused(old)) is True
    assert len(scene.asked) == 2


async def test_a_killed_owner_is_succeeded_when_its_claim_is_over(scene: Scene) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token)
    old = await header(scene, one)
    await header(scene, two)
    scene.clock.now += 1400
    held = two.view.held
    assert held is not None
    scene.topic.add(LoginClaim(held.pair.chain, held.pair.generation, "killed", CLAIM_SECONDS))
    began = scene.clock.now
    await scene.clock.run(two.renewer.renew(held.pair, "due"))
    assert CLAIM_SECONDS <= scene.clock.now - began <= CLAIM_SECONDS + 1
    assert await header(scene, two) != old
    assert await header(scene, one) == await header(scene, two)
    assert scene.zendesk.dead_refresh_uses == 0


async def test_a_frozen_owner_sends_nothing_when_it_wakes(scene: Scene) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token, by="two")
    await header(scene, one)
    await header(scene, two)
    scene.clock.now += 1400
    first = one.view.held
    assert first is not None
    # Frozen after its claim was stored, for longer than the claim; meanwhile the other one renews.
    claimed = asyncio.Event()
    woken = asyncio.Event()
    heard = 0
    append = one.records.append

    async def frozen(records: object, erased: object = ()) -> None:
        nonlocal heard
        if not claimed.is_set():
            await append(records, erased)  # type: ignore[arg-type]
            heard = len(scene.topic.records)
            claimed.set()
            await woken.wait()
            return
        # What was missed is read before what is appended now.
        missed, heard = scene.topic.records[heard:], len(scene.topic.records)
        for record, at in missed:
            one.view._take(record, at)
        await append(records, erased)  # type: ignore[arg-type]

    one.records.append = frozen  # type: ignore[method-assign, assignment]
    waking = asyncio.ensure_future(one.renewer.renew(first.pair, "due"))
    await claimed.wait()
    scene.clock.now += CLAIM_SECONDS + 1
    # It does not even hear of what the other one does.
    scene.topic.readers.remove(one.view._take)
    await scene.clock.run(two.renewer.renew(first.pair, "due"))
    scene.topic.readers.append(one.view._take)
    woken.set()
    await scene.clock.run(waking)
    assert len(scene.asked) == 2, "what woke up has sent its refresh token"
    assert await header(scene, one) == await header(scene, two)
    assert scene.zendesk.dead_refresh_uses == 0


async def test_a_slow_answer_holds_the_others_off(scene: Scene) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token)
    await header(scene, one)
    await header(scene, two)
    scene.clock.now += 1400
    scene.before_answer = lambda: scene.clock.sleep(40)
    held = one.view.held
    assert held is not None
    both = asyncio.gather(one.renewer.renew(held.pair, "due"), two.renewer.renew(held.pair, "due"))
    await scene.clock.run(both)
    assert len(scene.asked) == 2
    assert scene.zendesk.dead_refresh_uses == 0


async def test_an_answer_that_is_lost_is_asked_for_once_more_then_the_login_is_dead(scene: Scene) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token)
    await header(scene, one)
    await header(scene, two)
    scene.clock.now += 1400

    def lost() -> None:
        scene.after_answer = lambda: None
        raise httpx.ReadError("cut")

    scene.after_answer = lost
    held = one.view.held
    assert held is not None
    with pytest.raises(UnavailableError):
        await scene.clock.run(one.renewer.renew(held.pair, "due"))
    with pytest.raises(CredentialsError, match=r"never answered.*ticketstream login"):
        await scene.clock.run(one.renewer.renew(held.pair, "due"))
    for process in (one, two):
        with pytest.raises(CredentialsError, match="ticketstream login"):
            await scene.clock.run(process.renewer.renew(held.pair, "due"))
    assert scene.zendesk.dead_refresh_uses == 1

    # A new login is with all of them at once.
    three = scene.process()
    await three.view.open()
    granted = await three.endpoint.renewed(scene.first_token())
    await three.stored.begin(granted)
    assert scene.lets_in(await header(scene, one))
    assert await header(scene, one) == await header(scene, two)
    assert one.login.status().refused is None


async def test_a_request_that_never_arrived_is_made_again(scene: Scene) -> None:
    process = scene.process(scene.first_token())

    def cut() -> None:
        scene.before_answer = lambda: None
        raise httpx.ConnectError("refused")

    scene.before_answer = cut
    with pytest.raises(UnavailableError):
        await header(scene, process)
    scene.clock.now += 2
    assert scene.lets_in(await header(scene, process))
    assert scene.zendesk.dead_refresh_uses == 0


async def test_an_answer_without_refresh_token_leaves_the_stored_one(scene: Scene) -> None:
    process = scene.process(scene.first_token())
    await header(scene, process)
    held = process.view.held
    assert held is not None
    before = held.tokens.refresh
    scene.after_answer = lambda: httpx.Response(200, json={"access_token": "new-access", "expires_in": 1800})
    await scene.clock.run(process.renewer.renew(held.pair, "due"))
    assert process.view.held is not None
    assert process.view.held.tokens.refresh == before
    assert process.view.held.pair.refresh_ends == held.pair.refresh_ends
    assert await header(scene, process) == "Bearer new-access"


async def test_killed_between_answer_and_kafka_the_pair_is_on_disk(scene: Scene, tmp_path: Path) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token, by="two")
    await header(scene, one)
    await header(scene, two)
    held = one.view.held
    assert held is not None
    scene.clock.now += 1400

    def killed(records: object) -> None:
        if any(isinstance(record, LoginPair) for record in records):  # type: ignore[attr-defined]
            raise KeyboardInterrupt  # as good as kill -9: nothing more of this process runs

    one.records.before_append = killed
    with pytest.raises(KeyboardInterrupt):
        await one.renewer.renew(held.pair, "due")
    (file,) = kept(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"sample-" not in file.read_bytes()
    # Whoever of this machine comes next brings it to Kafka, and uses no dead token.
    await scene.clock.run(two.renewer.renew(held.pair, "due"))
    assert scene.lets_in(await header(scene, two))
    assert kept(tmp_path) == []
    assert scene.zendesk.dead_refresh_uses == 0
    assert len(scene.asked) == 2


async def test_on_another_machine_that_is_a_lost_answer_until_the_pair_comes_after_all(
    scene: Scene, tmp_path: Path
) -> None:
    token = scene.first_token()
    one = scene.process(token, data_dir=tmp_path / "one")
    two = scene.process(token, data_dir=tmp_path / "two")
    await header(scene, one)
    await header(scene, two)
    held = one.view.held
    assert held is not None

    def killed(records: object) -> None:
        if any(isinstance(record, LoginPair) for record in records):  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    one.records.before_append = killed
    with pytest.raises(KeyboardInterrupt):
        await one.renewer.renew(held.pair, "due")
    with pytest.raises(CredentialsError):
        await scene.clock.run(two.renewer.renew(held.pair, "due"))
    # The first machine is back.
    assert scene.lets_in(await header(scene, scene.process(token, data_dir=tmp_path / "one")))
    assert scene.lets_in(await header(scene, two))


async def test_kafka_away_right_after_the_answer_is_waited_for(scene: Scene) -> None:
    process = scene.process(scene.first_token())
    await header(scene, process)
    held = process.view.held
    assert held is not None

    def away() -> None:
        scene.topic.away = True

    scene.after_answer = away
    renewal = process.login._begin(held.pair, "due")
    await scene.clock.run(scene.clock.sleep(10))
    assert not renewal.done()
    closing = asyncio.ensure_future(process.login.aclose())
    scene.topic.away = False
    await scene.clock.run(renewal)
    await closing
    assert kept(scene.data_dir) == []
    assert scene.lets_in(process.view.held.header if process.view.held else "")


async def test_kafka_away_is_told_in_one_line_and_calls_go_on_while_the_token_lives(scene: Scene) -> None:
    process = scene.process(scene.first_token())
    scene.topic.away = True
    with pytest.raises(UnavailableError, match="Kafka is away"):
        await header(scene, process)
    scene.topic.away = False
    scene.clock.now += 1
    first = await header(scene, process)
    scene.topic.away = True
    scene.clock.now += 1400
    assert await header(scene, process) == first
    await scene.clock.settle()
    assert await header(scene, process) == first
    scene.clock.now += 400
    with pytest.raises(UnavailableError):
        await header(scene, process)
    scene.topic.away = False
    scene.clock.now += 60
    assert scene.lets_in(await header(scene, process))


async def test_a_revoked_access_token_is_renewed_once_for_many_calls(scene: Scene) -> None:
    token = scene.first_token()
    one, two = scene.process(token), scene.process(token)
    for process in (one, two):
        process.login.accepted(await header(scene, process))
    scene.zendesk.revoke(access=True)
    calls = [call(scene, process) for process in (one, two) for _ in range(200)]
    await scene.clock.run(asyncio.gather(*calls))
    assert len(scene.asked) == 2
    assert one.login.status().refusals + two.login.status().refusals >= 2


async def test_a_login_that_is_let_in_nowhere_is_not_renewed_again_and_again(scene: Scene) -> None:
    token = scene.first_token()
    processes = [scene.process(token), scene.process(token)]
    scene.zendesk.steer({"accepts_tokens": False})
    answers = []
    for _ in range(120):
        for process in processes:
            got = await header(scene, process)
            answers.append(await scene.clock.run(process.login.refused(got)))
        scene.clock.now += 1
    assert answers[-1] is False
    assert processes[0].login.status().refused is not None
    assert len(scene.asked) <= 1 + 4
    scene.zendesk.steer({"accepts_tokens": True})
    for process in processes:
        await scene.clock.run(call(scene, process))
        assert process.login.status().refused is None


async def test_what_is_refused_with_every_token_does_not_renew_for_ever(scene: Scene) -> None:
    process = scene.process(scene.first_token())
    answers = []
    for _ in range(60):
        got = await header(scene, process)
        process.login.accepted(got)  # other calls are let in
        answers.append(await scene.clock.run(process.login.refused(got)))
        scene.clock.now += 0.5
    assert answers[0] is True and answers[-1] is False
    assert len(scene.asked) <= 21
    scene.clock.now += 60
    assert await scene.clock.run(process.login.refused(await header(scene, process))) is True


async def test_another_key_is_told_and_uses_nothing(scene: Scene) -> None:
    token = scene.first_token()
    await header(scene, scene.process(token))
    with pytest.raises(CredentialsError, match="sealed with another key"):
        await header(scene, scene.process(token, secret="another secret, just as long"))
    assert len(scene.asked) == 1


async def test_records_hold_no_token_and_are_bound_to_their_place(scene: Scene) -> None:
    token = scene.first_token()
    process = scene.process(token)
    await header(scene, process)
    records = [record for record, _ in scene.topic.records]
    shown = repr((records, process.view.held, process.view.seed))
    assert "sample-" not in shown
    (pair,) = (record for record in records if isinstance(record, LoginPair))
    with pytest.raises(Exception, match="cannot be opened"):
        process.stored.maker._seal.open(pair.sealed, b"of another login")


def test_keys_keep_every_generation_apart() -> None:
    records = [
        LoginBegun(1, "c"),
        LoginClaim("c", 1, "me", 10.0),
        LoginDead("c", 1, "why"),
        LoginPair(1, "c", 1, 0.0, 1.0, 2.0, "due", "me", "k", "s"),
        LoginPair(1, "c", 2, 0.0, 1.0, 2.0, "due", "me", "k", "s"),
    ]
    keys = [login_key(ACCOUNT, CLIENT_ID, record) for record in records]
    assert len(set(keys)) == len(keys)
    assert keys[1] == login_key(ACCOUNT, CLIENT_ID, LoginClaim("d", 7, "you", 1.0))


async def test_a_refresh_token_that_ends_soon_is_told_once_a_day(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.zendesk.steer({"refresh_seconds": 8 * 24 * 3600, "access_seconds": 7 * 24 * 3600})
    process = scene.process(scene.first_token())
    await header(scene, process)
    assert "ends soon" not in capsys.readouterr().out
    scene.zendesk.steer({"client_enabled": False})
    scene.clock.now += 6.5 * 24 * 3600
    await header(scene, process)
    assert "ends soon" in capsys.readouterr().out
