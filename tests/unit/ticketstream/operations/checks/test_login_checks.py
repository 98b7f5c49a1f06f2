"""What doctor says about a login that works."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from streams.sources.zendesk.auth import API_TOKENS_END
from streams.sources.zendesk.login import LoginStatus
from ticketstream.operations.checks.finding import Finding
from ticketstream.operations.checks.login import login_document, login_finding

NOW = 1_796_130_000.0  # 2026-12-01 13:00:00 UTC
CLIENT = {"oauth_client_id": " acme-search ", "oauth_client_secret": "the-secret"}


def finding(status: LoginStatus, **given: Any) -> Finding:
    return login_finding(Settings(zendesk=ZendeskSettings.model_validate(given)), status, NOW)


def test_of_a_client_grant_scope_life_and_end_are_named() -> None:
    status = LoginStatus("client_credentials", scope="read", life=1800.0, token_ends=NOW + 1800)
    found = finding(status, **CLIENT)
    assert (found.verdict, found.todo) == ("ok", "")
    assert found.message == (
        "OAuth client acme-search, grant client_credentials, scope read: an access token lives 30 min and is "
        "renewed by itself; the present one ends 2026-12-01 13:30:00 UTC"
    )


@pytest.mark.parametrize(("life", "words"), [(20, "20 s"), (300, "5 min"), (172_800, "48.0 h")])
def test_lives_are_told_in_units_of_their_size(life: float, words: str) -> None:
    status = LoginStatus("client_credentials", scope="read", life=life, token_ends=NOW + life)
    assert f"lives {words} and" in finding(status, **CLIENT).message


def test_a_life_that_is_not_known_is_said_so() -> None:
    found = finding(LoginStatus("client_credentials", scope="read"), **CLIENT)
    assert found.verdict == "ok" and "does not tell when" in found.message


def test_what_is_set_too_is_named_as_unused() -> None:
    status = LoginStatus("client_credentials", scope="read")
    message = finding(status, **CLIENT, oauth_token="old-token", email="a@b", api_token="a-token").message
    assert message.endswith(
        "; TICKETSTREAM_ZENDESK__OAUTH_TOKEN and TICKETSTREAM_ZENDESK__API_TOKEN are set too and not used"
    )
    assert "old-token" not in message and "a-token" not in message


def test_tokens_of_the_settings_come_with_a_warning_and_a_way_out() -> None:
    found = finding(LoginStatus("oauth_token"), oauth_token="old-token")
    assert found.verdict == "warn" and "2027-04-01" in found.message
    assert "TICKETSTREAM_ZENDESK__OAUTH_CLIENT_ID" in found.todo
    found = finding(LoginStatus("api_token", ends=API_TOKENS_END.timestamp()), email="a@b", api_token="x")
    assert found.verdict == "warn" and "2027-04-30" in found.message and "30 days" in found.message
    assert "docs/logins.md" in found.todo


@pytest.mark.parametrize(("days", "verdict"), [(30, "ok"), (7, "ok"), (4, "warn")])
def test_a_login_that_a_person_must_replace_warns_days_before(days: int, verdict: str) -> None:
    status = LoginStatus("refresh_token", life=1800.0, token_ends=NOW + 900, ends=NOW + days * 86_400)
    found = finding(status, **CLIENT)
    assert found.verdict == verdict
    assert ("ticketstream login" in found.todo) == (verdict == "warn")
    assert "the login ends 202" in found.message


def test_who_renews_is_told_and_that_nobody_can_any_more() -> None:
    status = LoginStatus(
        "refresh_token",
        life=1800.0,
        token_ends=NOW + 900,
        ends=NOW + 30 * 86_400,
        renewed_by="host, process 7",
        refused="Zendesk does not take the refresh token any more",
    )
    found = finding(status, **CLIENT)
    assert found.verdict == "fail"
    assert "got for all by host, process 7" in found.message
    assert "does not take the refresh token any more" in found.message
    assert "ticketstream login" in found.todo


def test_the_overview_says_only_what_a_person_has_to_do() -> None:
    assert login_document(LoginStatus("oauth_token"), NOW) == {
        "grant": "oauth_token",
        "ends": None,
        "notice": None,
    }
    ends = API_TOKENS_END.timestamp()
    notice = login_document(LoginStatus("api_token", ends=ends), NOW)["notice"]
    assert notice.startswith(
        "Zendesk's login (an API token) ends on 2027-04-30: make a confidential OAuth client"
    )
    assert "has ended on 2027-04-30" in login_document(LoginStatus("api_token", ends=ends), ends)["notice"]
    far = LoginStatus("refresh_token", ends=NOW + 29 * 86_400)
    assert login_document(far, NOW)["notice"] is None
    near = login_document(LoginStatus("refresh_token", ends=NOW + 86_400), NOW)["notice"]
    assert near == "Zendesk's login (a refresh token) ends on 2026-12-02: run `ticketstream login`"
