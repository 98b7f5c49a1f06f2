"""What a topic's settings must be, held against what they are: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

_EXACT: Final = frozenset({"cleanup.policy", "message.timestamp.type"})
_AT_LEAST: Final = frozenset(
    {"retention.ms", "retention.bytes", "max.message.bytes", "min.compaction.lag.ms", "min.insync.replicas"}
)
_UNLIMITED: Final = frozenset({"retention.ms", "retention.bytes"})
"""Here -1 is more than any number. Source: Apache Kafka's documentation, "Topic Configs"."""


class TopicSettings(NamedTuple):
    """A topic's settings in force, and which of them somebody has set for this topic."""

    in_force: Mapping[str, str]
    chosen: frozenset[str]


class Difference(NamedTuple):
    """A setting that is not what it must be; ``chosen`` says that somebody has set it on purpose."""

    name: str
    found: str
    wanted: str
    chosen: bool

    @property
    def is_mended(self) -> bool:
        """Whether a worker sets it right by itself.

        What nobody has chosen is the broker's default, and a topic that another made by asking for it has
        only these. A chosen size or time is an operator's word and stays. A wrong policy or kind of
        timestamp is never meant: it would delete state, or follow every worker's own clock.
        """
        return not self.chosen or self.name in _EXACT

    def __str__(self) -> str:
        return f"{self.name} is {self.found}, and must be {self.wanted}{self._more}"

    @property
    def _more(self) -> str:
        if self.name in _EXACT:
            return ""
        if self.name in _AT_LEAST:
            return "" if self.wanted == "-1" else " or more"
        return " or less"


def differences(found: TopicSettings, wanted: Mapping[str, str]) -> list[Difference]:
    """Return which settings of a topic are not what they must be, in the order of ``wanted``.

    Sizes and times may be more than what is kept at least, and less than what a segment has at most. What
    the broker does not tell is not held against it.
    """
    return [
        Difference(name, found.in_force[name], value, name in found.chosen)
        for name, value in wanted.items()
        if name in found.in_force and not _serves(name, found.in_force[name], value)
    ]


def _serves(name: str, found: str, wanted: str) -> bool:
    if name == "cleanup.policy":
        return {part.strip() for part in found.split(",")} == {wanted}
    if name in _EXACT:
        return found == wanted
    here, there = _number(name, found), _number(name, wanted)
    return here >= there if name in _AT_LEAST else here <= there


def _number(name: str, text: str) -> float:
    number = float(text)
    return float("inf") if number == -1 and name in _UNLIMITED else number


def mended(found: TopicSettings, mends: list[Difference]) -> dict[str, str]:
    """Return all settings a topic shall have of its own; those left out go back to the broker's default."""
    kept = {name: found.in_force[name] for name in found.chosen if name in found.in_force}
    return kept | {mend.name: mend.wanted for mend in mends}
