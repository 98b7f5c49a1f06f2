"""Renews the stored login, if no other process does."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from schemas.errors import CredentialsError, UnavailableError
from schemas.logins import Cause, LoginBegun, LoginClaim, LoginDead, LoginPair
from schemas.settings.load import PREFIX
from streams.logins.pending import PendingPairs
from streams.logins.view import LOOK_SECONDS, REAL_CLOCK, Clock, LoginView
from streams.sources.zendesk.renewal.exchange import REFRESH_SECONDS, NotSentError, TokenEndpoint
from streams.sources.zendesk.renewal.ledger import Target
from streams.sources.zendesk.renewal.sealing import Seal, Tokens
from streams.sources.zendesk.tokens import ASKED_SECONDS, Granted, GrantRefusedError

CLAIM_SECONDS: Final = 10.0
"""How long the others wait for a process that has claimed a renewal and says nothing more."""
_CLAIM_MARGIN: Final = 3.0
_STORE_AGAIN_SECONDS: Final = 0.5
_REFRESH_TOKEN: Final = f"{PREFIX}ZENDESK__OAUTH_REFRESH_TOKEN"


class PairMaker:
    """Makes the record of a pair that Zendesk has given; ``by`` names this process for people."""

    def __init__(self, seal: Seal, account: str, client_id: str, by: str) -> None:
        self.client_id = client_id
        self._seal = seal
        self._account = account
        self._by = by

    def about(self, pair: LoginPair) -> bytes:
        """Return what a pair's tokens are bound to when they are sealed."""
        parts = (self._account, self.client_id, pair.chain, str(pair.ordinal), str(pair.generation))
        return "\x1f".join(parts).encode()

    def pair(
        self,
        granted: Granted,
        *,
        now: float,
        ordinal: int,
        chain: str,
        generation: int,
        cause: Cause,
        before: Tokens | None = None,
        refresh_ends: float | None = None,
    ) -> LoginPair:
        """Return the record; ``before`` and ``refresh_ends`` hold where the answer names no refresh token.

        Raises UnavailableError for a first answer without a refresh token.
        """
        refresh = granted.refresh_token or (before.refresh if before is not None else None)
        if refresh is None:
            raise UnavailableError("Zendesk gave an access token, but no refresh token")
        if granted.refresh_seconds is not None or granted.refresh_token is not None or refresh_ends is None:
            refresh_ends = now + (granted.refresh_seconds or REFRESH_SECONDS)
        bare = LoginPair(
            ordinal=ordinal,
            chain=chain,
            generation=generation,
            issued_at=now,
            access_ends=now + (granted.seconds or ASKED_SECONDS),
            refresh_ends=refresh_ends,
            cause=cause,
            by=self._by,
            key_id=self._seal.key_id,
            sealed="",
        )
        sealed = self._seal.seal(Tokens(granted.access_token, refresh), self.about(bare))
        return msgspec.structs.replace(bare, sealed=sealed)


class Renewer:
    """Renews what ``view`` shows; ``renewed`` counts that.

    ``at_zendesk`` is true from when we may have used up a refresh token until the new pair is stored.
    """

    def __init__(
        self,
        view: LoginView,
        endpoint: TokenEndpoint,
        maker: PairMaker,
        pending: PendingPairs,
        clock: Clock = REAL_CLOCK,
    ) -> None:
        self.at_zendesk = False
        self.renewed = 0
        self._view = view
        self._endpoint = endpoint
        self._maker = maker
        self._pending = pending
        self._clock = clock
        self._me = uuid.uuid4().hex
        self._ours_until = float("-inf")
        self._unanswered: set[tuple[str, int]] = set()

    async def renew(self, replacing: LoginPair | None, cause: Cause) -> None:
        """Return when there is another pair than ``replacing``, by whomever it was got.

        Raises CredentialsError when there is nothing to renew or Zendesk refuses it, RetryableError when
        Kafka or Zendesk is away.
        """
        view = self._view
        while True:
            held = view.usable()
            if held is not None and held.pair != replacing and not view.seed_waits():
                return
            if await self.bring_pending():
                continue
            target = await self._known_target()
            if await self._left_to_others(target):
                continue
            sent = self._clock.now()
            await self._claim(target)
            claimed = view.ledger.claim_of(target)
            if view.target() != target or claimed is None:
                continue
            if claimed.claimant != self._me:
                await self._changes(target, LOOK_SECONDS)
                continue
            self._ours_until = sent + CLAIM_SECONDS - _CLAIM_MARGIN
            await self._use(target, cause)

    async def bring_pending(self) -> bool:
        """Bring to Kafka what a process of this machine had no time to; returns whether there was something.

        Raises UnavailableError.
        """
        ledger, brought = self._view.ledger, False
        for pair in self._pending.read():
            if ledger.is_newer(pair):
                await self._view.records.append([pair], ledger.others(pair))
                brought = True
            self._pending.remove(pair)
        return brought

    async def store(self, pair: LoginPair) -> None:
        """Bring a pair to disk and to Kafka, however long that takes: there is no other."""
        self._pending.write(pair)
        told = False
        while True:
            try:
                await self._view.records.append([pair], self._view.ledger.others(pair))
                break
            except UnavailableError as error:
                if not told:
                    structlog.get_logger().warning("a new login waits to be stored", error=error)
                told = True
                await self._clock.sleep(_STORE_AGAIN_SECONDS)
        self._pending.remove(pair)

    async def _known_target(self) -> Target:
        """Return what to renew; takes up the refresh token of the settings when it is a new one."""
        view = self._view
        if view.seed is not None and not view.ledger.is_begun(view.seed.chain):
            await view.records.append([LoginBegun(view.ledger.next_ordinal, view.seed.chain)])
        target = view.target()
        if target is None:
            raise CredentialsError(
                f"no login of OAuth client {self._maker.client_id} is stored yet: run `ticketstream login` "
                f"(or, for a confidential client, set {PREFIX}ZENDESK__OAUTH_CLIENT_SECRET)"
            )
        if target.pair is not None and (view.held is None or view.held.pair != target.pair):
            raise CredentialsError(view.unreadable or "the stored login cannot be opened")
        reason = view.ledger.death_of(target)
        if reason is not None:
            which = _REFRESH_TOKEN if target.pair is None else "the stored one"
            raise CredentialsError(f"{reason} ({which}): run `ticketstream login` to log in anew")
        return target

    async def _left_to_others(self, target: Target) -> bool:
        """Wait for whoever has claimed this renewal; returns whether they have done something."""
        claimed = self._view.ledger.claim_of(target)
        if claimed is None or claimed.claimant == self._me:
            return False
        # Its time is by the broker's clock. To ask too early, by ours, is only to be refused.
        left = min(
            claimed.until - self._clock.wall(), self._view.claim_seen + CLAIM_SECONDS - self._clock.now()
        )
        await self._changes(target, left)
        return self._view.target() != target

    async def _changes(self, target: Target, seconds: float) -> None:
        await self._view.wait(lambda: self._view.target() != target, seconds)

    async def _claim(self, target: Target) -> None:
        claim = LoginClaim(target.chain, target.generation, self._me, CLAIM_SECONDS)
        await self._view.records.append([claim])

    async def _use(self, target: Target, cause: Cause) -> None:
        """Send the refresh token and store what comes back; the claim is held."""
        token = self._token_of(target)
        place = (target.chain, target.generation)
        self.at_zendesk = True
        keeping = asyncio.create_task(self._keep_claim(target))
        try:
            granted = await self._endpoint.renewed(token, ours=lambda: self._clock.now() < self._ours_until)
            pair = self._maker.pair(
                granted,
                now=self._clock.wall(),
                ordinal=target.ordinal,
                chain=target.chain,
                generation=target.generation + 1,
                cause=cause,
                before=Tokens("", token),
                refresh_ends=None if target.pair is None else target.pair.refresh_ends,
            )
            await self.store(pair)
            self.renewed += 1
            structlog.get_logger().info("the login was renewed", generation=pair.generation, cause=cause)
        except GrantRefusedError:
            if self._view.target() == target:
                lost = ", whose last use was never answered" if place in self._unanswered else ""
                reason = f"Zendesk does not take the refresh token any more{lost}"
                await self._view.records.append([LoginDead(*place, reason)])
                if target.pair is None:
                    structlog.get_logger().warning(reason, variable=_REFRESH_TOKEN)
        except NotSentError:
            if self._clock.now() < self._ours_until:
                raise  # not for want of the claim
        except UnavailableError:
            self._unanswered.add(place)
            raise
        finally:
            self.at_zendesk = False
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    def _token_of(self, target: Target) -> str:
        if target.pair is None and self._view.seed is not None:
            return self._view.seed.token
        if self._view.held is None:
            raise TypeError("a target has its refresh token in the settings or in a pair")
        return self._view.held.tokens.refresh

    async def _keep_claim(self, target: Target) -> None:
        """Hold the others off for as long as Zendesk takes to answer: its answer is the only new pair."""
        while True:
            await self._clock.sleep(CLAIM_SECONDS / 3)
            with suppress(UnavailableError):
                await self._claim(target)
