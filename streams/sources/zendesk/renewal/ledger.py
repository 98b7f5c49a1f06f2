"""What the records of ``zendesk.logins`` say together: the pair in force, and who may renew it.

All processes read the same records in the same order with the broker's times, so all come to the same
answer, whatever their own clocks say.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.logins import LoginBegun, LoginClaim, LoginDead, LoginPair, LoginRecord


class Claimed(NamedTuple):
    """Who may use a refresh token, until when (Unix seconds by the broker's clock)."""

    claimant: str
    until: float


class Target(NamedTuple):
    """What is renewed next; ``pair`` is None for the refresh token of the settings itself (generation 0)."""

    chain: str
    generation: int
    ordinal: int
    pair: LoginPair | None


class LoginLedger:
    """The records of one OAuth client of one account."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}
        self._pairs: dict[str, LoginPair] = {}
        self._dead: dict[tuple[str, int], str] = {}
        self._claims: dict[tuple[str, int], Claimed] = {}

    def apply(self, record: LoginRecord, at: float) -> None:
        """Take in the next record; ``at`` is the broker's time of it, in Unix seconds."""
        match record:
            case LoginBegun(ordinal, chain):
                self._begun[chain] = max(ordinal, self._begun.get(chain, 0))
            case LoginDead(chain, generation, reason):
                self._dead[chain, generation] = reason
            case LoginClaim():
                self._claim(record, at)
            case LoginPair():
                known = self._pairs.get(record.chain)
                if known is None or known.generation < record.generation:
                    self._pairs[record.chain] = record

    def _claim(self, claim: LoginClaim, at: float) -> None:
        place = (claim.chain, claim.generation)
        held = self._claims.get(place)
        if held is None or held.claimant == claim.claimant or at >= held.until:
            self._claims[place] = Claimed(claim.claimant, at + claim.seconds)

    def target(self, seed: str | None) -> Target | None:
        """Return the login in force; ``seed`` is the chain that the settings' refresh token begins, if any.

        A refresh token of the settings that Zendesk refused takes nobody's place.
        """
        found = [Target(each.chain, each.generation, each.ordinal, each) for each in self._pairs.values()]
        if seed is not None and seed in self._begun and seed not in self._pairs:
            own = Target(seed, 0, self._begun[seed], None)
            if not found or (seed, 0) not in self._dead:
                found.append(own)
        return max(found, key=lambda each: (each.ordinal, each.chain), default=None)

    def claim_of(self, target: Target) -> Claimed | None:
        """Return who may use the target's refresh token; the time may be over."""
        return self._claims.get((target.chain, target.generation))

    def death_of(self, target: Target) -> str | None:
        """Return why the target's refresh token is dead, None while it is not known to be."""
        return self._dead.get((target.chain, target.generation))

    def is_begun(self, chain: str) -> bool:
        """Say whether a refresh token of the settings has been taken up."""
        return chain in self._begun

    def others(self, pair: LoginPair) -> list[LoginPair]:
        """Return the pairs that are of no use any more once this one is stored."""
        return [each for each in self._pairs.values() if each.ordinal <= pair.ordinal and each != pair]

    def is_newer(self, pair: LoginPair) -> bool:
        """Say whether a pair is news: its refresh token has not been renewed, nor its login replaced."""
        known = self._pairs.get(pair.chain)
        replaced = any(each.ordinal > pair.ordinal for each in self._pairs.values())
        return not replaced and (known is None or known.generation < pair.generation)

    @property
    def next_ordinal(self) -> int:
        """The place of a new login: before all there are."""
        known = [*self._begun.values(), *(pair.ordinal for pair in self._pairs.values())]
        return max(known, default=0) + 1
