"""How the login works, when it ends, and what to do before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from schemas.settings.load import PREFIX, Settings
from streams.sources.zendesk.auth import API_TOKEN, CLIENT_ID, CLIENT_SECRET, OAUTH_TOKEN
from streams.sources.zendesk.login import Grant, LoginStatus
from ticketstream.operations.checks.finding import Finding
from ticketstream.terminal.untrusted import one_line

NAME: Final = "login"
_LOG_IN: Final = "run `ticketstream login`"
_MEND: Final = (
    f"make a confidential OAuth client and set {CLIENT_ID} and {CLIENT_SECRET} (docs/logins.md says how)"
)

_WORDS: Final[dict[Grant, str]] = {
    "client_credentials": "an OAuth client",
    "refresh_token": "a refresh token",
    "oauth_token": "an access token",
    "api_token": "an API token",
}


def login_finding(settings: Settings, status: LoginStatus, now: float) -> Finding:
    """Return the line about a login that works; ``now`` is in Unix seconds."""
    if status.grant == "oauth_token":
        # Source: Zendesk help, "Announcing support for OAuth refresh token grant type and … expirations".
        return Finding(
            NAME,
            "warn",
            f"{OAUTH_TOKEN} is an access token whose end Zendesk does not tell: those of OAuth clients made "
            "since 2026-04-30 live 30 minutes, and from 2027-04-01 all end",
            _MEND,
        )
    if status.grant == "api_token":
        return Finding(
            NAME,
            "warn",
            f"{API_TOKEN} is an API token: one that is not used for 30 days is deactivated, and all end on "
            "2027-04-30",
            _MEND,
        )
    client = settings.zendesk.oauth_client_id or ""
    scope = f", scope {status.scope}" if status.scope else ""
    words = f"OAuth client {client.strip()}, grant {status.grant}{scope}: {_token(status)}{_unused(settings)}"
    if status.ends is None:
        return Finding(NAME, "ok", words)
    if status.refused is not None:
        return Finding(NAME, "fail", f"{words}; then it is over: {status.refused}", _LOG_IN)
    words += f"; the login ends {_moment(status.ends)} unless it is renewed before"
    if status.ends_soon(now):
        return Finding(NAME, "warn", words, f"have a worker run, which renews it, or {_LOG_IN}")
    return Finding(NAME, "ok", words)


def login_document(status: LoginStatus, now: float) -> dict[str, Any]:
    """Return what the overview tells of a login; ``now`` is in Unix seconds."""
    return {"grant": status.grant, "ends": status.ends, "notice": _notice(status, now)}


def _notice(status: LoginStatus, now: float) -> str | None:
    """Say that a person must do something before the login ends, or since it has."""
    if status.ends is None or (status.grant != "api_token" and not status.ends_soon(now)):
        return None
    has = "has ended" if status.ends <= now else "ends"
    mend = _MEND if status.grant == "api_token" else _LOG_IN
    return f"Zendesk's login ({_WORDS[status.grant]}) {has} on {_day(status.ends)}: {mend}"


def _token(status: LoginStatus) -> str:
    if status.token_ends is None:
        return "Zendesk does not tell when its access tokens end; one that is refused is replaced at once"
    whose = f", got for all by {one_line(status.renewed_by)}," if status.renewed_by else ""
    life = f"lives {_life(status.life)}" if status.life else "ends"
    return (
        f"an access token {life} and is renewed by itself; the present one{whose} ends "
        f"{_moment(status.token_ends)}"
    )


def _unused(settings: Settings) -> str:
    """Name what else is set: it is not used."""
    zendesk = settings.zendesk
    others = {"OAUTH_TOKEN": zendesk.oauth_token, "API_TOKEN": zendesk.api_token}
    named = [f"{PREFIX}ZENDESK__{name}" for name, value in others.items() if value is not None]
    return (
        f"; {' and '.join(named)} {'is' if len(named) == 1 else 'are'} set too and not used" if named else ""
    )


def _life(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
