"""OAuth as Zendesk has it: one client, its access tokens that end, and refresh tokens that serve once.

Sources: Zendesk's API reference, "OAuth Tokens for Grant Types"; Zendesk help, "Using OAuth authentication
with your application"; developer.zendesk.com, "Working with OAuth refresh tokens".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

ACCESS_SECONDS: Final = 1_800
REFRESH_SECONDS: Final = 2_592_000
CODE_SECONDS: Final = 120.0
_ACCESS_BOUNDS: Final = (300, 172_800)
_REFRESH_BOUNDS: Final = (604_800, 7_776_000)
_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))
_CLIENT: Final = (
    "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method."
)
_GRANT: Final = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used "
    "in the authorization request, or was issued to another client."
)


class Rules(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What can be steered of the client and its tokens.

    ``access_seconds`` and ``refresh_seconds`` are the lives of new tokens whatever a request asks for (None:
    what it asks for, else 30 minutes and 30 days). ``expires_in`` says how an answer names the life:
    ``asked`` as Zendesk does, only to a request that named one itself; ``missing`` never; ``null`` as null.
    ``client_enabled`` false refuses all token requests; ``accepts_tokens`` false refuses all calls, also with
    a token just made; ``consent`` false has the person decline. ``kind`` is the client's.
    """

    access_seconds: float | None = None
    refresh_seconds: float | None = None
    expires_in: Literal["asked", "missing", "null"] = "asked"
    client_enabled: bool = True
    accepts_tokens: bool = True
    consent: bool = True
    kind: Literal["confidential", "public"] = "confidential"


class OAuthError(Exception):
    """A refusal in the form of RFC 6749."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


class _Pair:
    """An access token and, but for ``client_credentials``, its refresh token; they end together."""

    def __init__(self, scope: str, until: float, refresh: str | None, refresh_until: float) -> None:
        self.access = f"sample-access-{secrets.token_hex(16)}"
        self.scopes = frozenset(scope.split())
        self.until = until
        self.refresh = refresh
        self.refresh_until = refresh_until


class _Code:
    def __init__(self, asked: Mapping[str, str], until: float) -> None:
        self.redirect_uri = asked["redirect_uri"]
        self.scope = asked.get("scope") or "read"
        self.challenge = asked.get("code_challenge")
        self.until = until


class Authority:
    """Gives out tokens and knows which live. ``clock`` gives seconds that never go back."""

    def __init__(
        self, client_id: str, client_secret: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rules = Rules()
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._by_access: dict[str, _Pair] = {}
        self._by_refresh: dict[str, _Pair] = {}
        self._codes: dict[str, _Code] = {}
        self._dead_refresh: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Count from nothing."""
        self.granted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.dead_refresh_uses = 0
        self.refused_calls = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the rules, the tokens that live, and the counts of token requests and refused calls."""
        now = self._clock()
        return {
            "rules": msgspec.to_builtins(self.rules),
            "live_access_tokens": sum(now < pair.until for pair in self._by_access.values()),
            "live_refresh_tokens": sum(now < pair.refresh_until for pair in self._by_refresh.values()),
            "granted": dict(self.granted),
            "refused": dict(self.refused),
            "dead_refresh_uses": self.dead_refresh_uses,
            "refused_calls": self.refused_calls,
        }

    def steer(self, given: Mapping[str, Any]) -> None:
        """Change what is given; raises msgspec.ValidationError for what is no rule."""
        self.rules = msgspec.convert({**msgspec.to_builtins(self.rules), **given}, Rules)

    def revoke(self, *, access: bool = True, refresh: bool = False) -> None:
        """End all access tokens, all refresh tokens, or both, at once."""
        if access:
            self._by_access.clear()
        if refresh:
            self._dead_refresh.update(self._by_refresh)
            self._by_refresh.clear()

    def scopes_of(self, access_token: str) -> frozenset[str] | None:
        """Return what a token may do; None for one that is unknown, has ended or was revoked."""
        pair = self._by_access.get(access_token)
        if pair is None or self._clock() >= pair.until or not self.rules.accepts_tokens:
            self.refused_calls += 1
            return None
        return pair.scopes

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Return where a person who decides at once is sent: the redirect URL with a code, or with an error.

        Raises OAuthError for a request that a person would be shown an error page for.
        """
        target = asked.get("redirect_uri", "")
        if asked.get("client_id") != self._client_id or not self.rules.client_enabled:
            raise OAuthError(400, "invalid_client", "No such client")
        if urlsplit(target).hostname not in _LOOPBACK:
            raise OAuthError(400, "invalid_request", "The redirect URL is not one of the client's")
        state = {"state": asked["state"]} if "state" in asked else {}
        fault = None
        if asked.get("response_type") != "code":
            fault = ("unsupported_response_type", "Only the response type code is supported")
        elif asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
            fault = ("invalid_request", "Only the code challenge method S256 is supported")
        elif self.rules.kind == "public" and not asked.get("code_challenge"):
            fault = ("invalid_request", "A public client must use PKCE")
        elif not self.rules.consent:
            fault = ("access_denied", "The end-user or authorization server denied the request")
        if fault is not None:
            answer = {"error": fault[0], "error_description": fault[1]}
        else:
            code = secrets.token_urlsafe(24)
            self._codes[code] = _Code(asked, self._clock() + CODE_SECONDS)
            answer = {"code": code}
        joint = "&" if urlsplit(target).query else "?"
        return f"{target}{joint}{urlencode(answer | state)}"

    def token(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a token request, counted by grant or by error; raises OAuthError."""
        grant = asked.get("grant_type")
        try:
            if grant == "client_credentials":
                answer = self._client_credentials(asked)
            elif grant == "authorization_code":
                answer = self._authorization_code(asked)
            elif grant == "refresh_token":
                answer = self._refresh_token(asked)
            else:
                raise OAuthError(400, "unsupported_grant_type", "The grant type is not supported")
        except OAuthError as error:
            self.refused[error.body["error"]] += 1
            raise
        self.granted[str(grant)] += 1
        return answer

    def issue(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return a first pair, as if a person had agreed."""
        return self._pair(asked, str(asked.get("scope") or "read"), refresh=True)

    def _client_credentials(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._authenticate(asked, needs_secret=True)
        if self.rules.kind == "public":
            raise OAuthError(400, "unauthorized_client", "A public client may not use this grant type")
        return self._pair(asked, str(asked.get("scope") or "read write"), refresh=False)

    def _authorization_code(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        code = self._codes.pop(str(asked.get("code")), None)
        verifier = asked.get("code_verifier")
        self._authenticate(asked, needs_secret=verifier is None)
        if (
            code is None
            or self._clock() >= code.until
            or asked.get("redirect_uri") != code.redirect_uri
            or (code.challenge is not None and code.challenge != _challenge(str(verifier or "")))
        ):
            raise OAuthError(400, "invalid_grant", _GRANT)
        return self._pair(asked, code.scope, refresh=True)

    def _refresh_token(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._authenticate(asked, needs_secret=self.rules.kind == "confidential")
        token = str(asked.get("refresh_token"))
        pair = self._by_refresh.get(token)
        if pair is None or self._clock() >= pair.refresh_until:
            if token in self._dead_refresh:
                self.dead_refresh_uses += 1
            raise OAuthError(400, "invalid_grant", _GRANT)
        answer = self._pair(asked, str(asked.get("scope") or " ".join(sorted(pair.scopes))), refresh=True)
        # Both are gone at once, for everybody.
        self._by_access.pop(pair.access, None)
        del self._by_refresh[token]
        self._dead_refresh.add(token)
        return answer

    def _authenticate(self, asked: Mapping[str, Any], *, needs_secret: bool) -> None:
        secret = asked.get("client_secret")
        good = asked.get("client_id") == self._client_id and self.rules.client_enabled
        if secret is not None:
            good = good and hmac.compare_digest(str(secret).encode(), self._client_secret.encode())
        if not good or (needs_secret and secret is None):
            raise OAuthError(401, "invalid_client", _CLIENT)

    def _pair(self, asked: Mapping[str, Any], scope: str, *, refresh: bool) -> dict[str, Any]:
        named = _seconds(asked, "expires_in", _ACCESS_BOUNDS)
        refresh_named = _seconds(asked, "refresh_token_expires_in", _REFRESH_BOUNDS) if refresh else None
        seconds = self.rules.access_seconds or named or ACCESS_SECONDS
        refresh_seconds = self.rules.refresh_seconds or refresh_named or REFRESH_SECONDS
        now = self._clock()
        token = f"sample-refresh-{secrets.token_hex(16)}" if refresh else None
        pair = _Pair(scope, now + seconds, token, now + refresh_seconds)
        self._by_access = {key: each for key, each in self._by_access.items() if now < each.until}
        self._by_access[pair.access] = pair
        answer: dict[str, Any] = {"access_token": pair.access, "token_type": "bearer", "scope": scope}
        if self.rules.expires_in == "null":
            answer["expires_in"] = None
        elif self.rules.expires_in == "asked" and named is not None:
            answer["expires_in"] = _whole(seconds)
        if token is not None:
            self._by_refresh[token] = pair
            answer |= {"refresh_token": token, "refresh_token_expires_in": _whole(refresh_seconds)}
        return answer


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _seconds(asked: Mapping[str, Any], name: str, bounds: tuple[int, int]) -> int | None:
    value = asked.get(name)
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and bounds[0] < int(text) < bounds[1]):
        raise OAuthError(400, "invalid_request", f"{name} must be over {bounds[0]} and under {bounds[1]}")
    return int(text)


def _whole(seconds: float) -> float:
    return int(seconds) if seconds == int(seconds) else seconds
