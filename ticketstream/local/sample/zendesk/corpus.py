"""What customers and agents write about, topic by topic; the texts lie beside this file as JSON.

``corpus_en.json`` holds the English ones, ``corpus_world.json`` those of other languages, right-to-left
scripts among them. Sentences hold the slots ``{product} {order} {amount} {date} {city} {device} {code}
{name} {agent} {days}``, filled for each ticket, so that no two tickets read the same. The order of the texts
is part of the account: a text that is put between others makes another account of the same seed.
"""

from __future__ import annotations

from importlib import resources
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")


class Topic(msgspec.Struct, frozen=True):
    """A reason to write to the desk; ``tag`` is on every ticket about it."""

    tag: str
    group: int
    kind: str
    subjects: tuple[str, ...]
    openings: tuple[str, ...]
    details: tuple[str, ...]
    answers: tuple[str, ...]
    replies: tuple[str, ...]
    notes: tuple[str, ...]


class Phrases(msgspec.Struct, frozen=True):
    """What is written about a topic: subject, customer's message, agent's answer, customer's reply."""

    subject: str
    opening: str
    answer: str
    reply: str


class English(msgspec.Struct, frozen=True):
    """All English texts."""

    topics: tuple[Topic, ...]
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    agent_greetings: tuple[str, ...]
    agent_closings: tuple[str, ...]
    fillers: tuple[str, ...]
    products: tuple[str, ...]
    devices: tuple[str, ...]
    cities: tuple[str, ...]


def _read(name: str, shape: type[T]) -> T:
    return msgspec.json.decode(resources.files(__package__).joinpath(name).read_bytes(), type=shape)


ENGLISH: Final = _read("corpus_en.json", English)
WORLD: Final = _read("corpus_world.json", dict[str, dict[str, Phrases]])
"""Language code to topic to phrases."""
