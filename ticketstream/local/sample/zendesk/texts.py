"""The words of a ticket: subject and comments, the same for the same seed and id."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from random import Random
from typing import Final, NamedTuple

from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.corpus import ENGLISH, WORLD, Phrases, Topic
from ticketstream.local.sample.zendesk.shape import Kind

_TOPIC_BY_TAG: Final = {topic.tag: topic for topic in ENGLISH.topics}
_FOREIGN: Final = tuple((language, tag) for language, tags in WORLD.items() for tag in tags)
_CURRENCIES: Final = ("€", "$", "£", "CHF ")
_BREAK: Final = '</p>\n\n<p dir="auto">'
_OPEN: Final = '<div class="zd-comment" dir="auto">'
_SPAM: Final = (
    "🔥🔥 CHEAP FOLLOWERS 🔥🔥 Buy now at http://spam.example/{code} and save {amount}!!!",
    "Congratulations, you have won {amount}. Send your bank details to claim the prize before {date}.",
)


class Story(NamedTuple):
    """What a ticket is about. ``slots`` fill the sentences; ``phrases`` is set for another language."""

    topic: Topic
    language: str
    phrases: Phrases | None
    slots: dict[str, str]
    subject: str


class Body(NamedTuple):
    """A comment in Zendesk's three forms."""

    body: str
    html: str
    plain: str


def body_of(text: str) -> Body:
    """Return the three forms of a plain text, as the agent interface makes them."""
    if not text.strip():
        return Body(text, f"{_OPEN}</div>", text)
    paragraphs = escape(text, quote=False).split("\n\n")
    html = _BREAK.join([paragraph.replace("\n", "<br>\n") for paragraph in paragraphs])
    return Body(text, f'{_OPEN}<p dir="auto">{html}</p></div>', text.replace("\n\n", " \n\n "))


def story(random: Random, kind: int, created: int, requester: str, agent: str) -> Story:
    """Draw what a ticket is about; takes the same draws for every kind."""
    draw = random.random
    if draw() < 0.22:
        language, tag = _FOREIGN[int(draw() * len(_FOREIGN))]
        topic, phrases = _TOPIC_BY_TAG[tag], WORLD[language][tag]
    else:
        language, phrases = "en", None
        topic = ENGLISH.topics[int(draw() * len(ENGLISH.topics))]
    number = int(draw() * 900_000)
    slots = {
        "product": ENGLISH.products[int(draw() * len(ENGLISH.products))],
        "order": f"#{100_000 + number}",
        "amount": f"{_CURRENCIES[number % 4]}{5 + number % 900}.{number % 100:02}",
        "date": iso(created - (number % 40) * 86_400)[:10],
        "city": ENGLISH.cities[int(draw() * len(ENGLISH.cities))],
        "device": ENGLISH.devices[number % len(ENGLISH.devices)],
        "code": f"{'ABCDEFGH'[number % 8]}{number * 7919 % 90_000 + 10_000}",
        "days": str(2 + number % 12),
        "name": requester,
        "agent": agent,
    }
    pattern = phrases.subject if phrases else topic.subjects[int(draw() * len(topic.subjects))]
    subject = pattern.format_map(slots)
    if kind == Kind.SPAM:
        subject = "You have WON 🎁 " + slots["code"]
    elif kind == Kind.EMPTY and number % 2:
        subject = ""
    return Story(topic, language, phrases, slots, subject)


def opening(random: Random, tale: Story, kind: int) -> Body:
    """Write the customer's first message."""
    draw = random.random
    if kind == Kind.EMPTY:
        return body_of(("", " ", "\n\n")[int(draw() * 3)])
    if kind == Kind.SPAM:
        return body_of(_SPAM[int(draw() * len(_SPAM))].format_map(tale.slots))
    parts = [ENGLISH.greetings[int(draw() * len(ENGLISH.greetings))]] if tale.phrases is None else []
    if tale.phrases is not None:
        parts.append(tale.phrases.opening)
    else:
        topic = tale.topic
        parts.append(
            topic.openings[int(draw() * len(topic.openings))]
            + " "
            + topic.details[int(draw() * len(topic.details))]
        )
        if draw() < 0.6:
            parts.append(
                topic.details[int(draw() * len(topic.details))]
                + " "
                + ENGLISH.fillers[int(draw() * len(ENGLISH.fillers))]
            )
    parts.append(ENGLISH.closings[int(draw() * len(ENGLISH.closings))])
    text = "\n\n".join(parts).format_map(tale.slots)
    if kind == Kind.LONG:
        return body_of(text + "\n\n" + _log(random, tale))
    return _rich(text, tale) if draw() < 0.15 else body_of(text)


def answer(random: Random, tale: Story) -> Body:
    """Write an agent's public answer."""
    draw = random.random
    topic = tale.topic
    said = tale.phrases.answer if tale.phrases else topic.answers[int(draw() * len(topic.answers))]
    head = ENGLISH.agent_greetings[int(draw() * len(ENGLISH.agent_greetings))]
    tail = ENGLISH.agent_closings[int(draw() * len(ENGLISH.agent_closings))]
    text = f"{head}\n\n{said}\n\n{tail}".format_map(tale.slots)
    return _rich(text, tale) if draw() < 0.1 else body_of(text)


def reply(random: Random, tale: Story) -> Body:
    """Write a later message of the customer."""
    draw = random.random
    topic = tale.topic
    said = tale.phrases.reply if tale.phrases else topic.replies[int(draw() * len(topic.replies))]
    if draw() < 0.4 and tale.phrases is None:
        said += " " + topic.details[int(draw() * len(topic.details))]
    text = said.format_map(tale.slots)
    if draw() < 0.1:
        quoted = tale.subject or tale.topic.tag
        return body_of(f"{text}\n\n> {tale.slots['agent']} wrote:\n> {quoted}")
    return body_of(text)


def note(random: Random, tale: Story) -> Body:
    """Write an agent's internal note."""
    draw = random.random
    said = tale.topic.notes[int(draw() * len(tale.topic.notes))]
    return body_of(f"Internal: {said}".format_map(tale.slots))


def numbered(writer: Callable[[Random, Story], Body], random: Random, tale: Story, number: int) -> Body:
    """Write a comment of a long thread; its number keeps it apart from its neighbours."""
    return body_of(f"{writer(random, tale).body}\n\n[{number}]")


def _rich(text: str, tale: Story) -> Body:
    """The same text with the HTML a mail programme sends: lists, links, bold, an image."""
    slots = tale.slots
    items = (slots["product"], slots["order"], slots["date"])
    html = escape(text, quote=False).replace("\n\n", "</p><p>").replace("\n", "<br/>")
    html += (
        f"<ul><li><strong>{items[0]}</strong></li><li>{items[1]}</li><li>{items[2]}</li></ul>"
        f'<blockquote><a href="https://shop.example/o?id={slots["code"]}&amp;lang=en">'
        'My order &amp; invoice</a></blockquote><img src="https://shop.example/pixel.png" alt="logo">'
    )
    bullets = "\n".join(f"* {item}" for item in items)
    body = f"{text}\n\n{bullets}\n\n> [My order & invoice](https://shop.example/o?id={slots['code']}&lang=en)"
    plain = f"{text}\n\n" + "\n".join(items) + "\n\nMy order & invoice"
    return Body(body, f"{_OPEN}<p>{html}</p></div>", plain.replace("\n\n", " \n\n "))


def _log(random: Random, tale: Story) -> str:
    """A pasted log of 10 to 55 KB."""
    draw = random.random
    slots = tale.slots
    words = ("session restored", "token refreshed", "retrying request", "connection reset", "cache miss")
    lines = [
        f"{slots['date']}T10:{number // 60 % 60:02}:{number % 60:02}Z [{slots['code']}] "
        f"{words[int(draw() * len(words))]} after {int(draw() * 4000)} ms on {slots['device']}"
        for number in range(150 + int(draw() * 650))
    ]
    return "\n".join(lines)
