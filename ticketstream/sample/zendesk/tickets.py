"""The rows and comments of a generated account, made from (seed, id) when asked for."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from ticketstream.sample.zendesk import texts
from ticketstream.sample.zendesk.clock import iso
from ticketstream.sample.zendesk.people import BRANDS, GROUPS, People, Row
from ticketstream.sample.zendesk.shape import STATUSES, Kind, Shape

PRIORITIES: Final = (None, "low", "normal", "normal", "high", "urgent")
CHANNELS: Final = ("email", "web", "chat", "api", "mobile_sdk")
TICKET_FORM: Final = 6_130_830_344_474
CUSTOM_STATUSES: Final = {status: 6_130_830_355_738 + n * 64 for n, status in enumerate(STATUSES)}
_COMMENT_BASE: Final = 9_000_000_000_000
_COMMENTS_PER_TICKET: Final = 10_000
_FILES: Final = (
    ("photo.jpg", "image/jpeg"),
    ("invoice.pdf", "application/pdf"),
    ("screenshot 2.png", "image/png"),
    ("crash.log", "text/plain"),
    ("下載.zip", "application/zip"),
)
_VIA: Final = {name: {"channel": name, "source": {"from": {}, "to": {}, "rel": None}} for name in CHANNELS}
_EXTRA_TAGS: Final = ("vip", "eu", "follow_up", "first_contact", "escalated", "black_friday")
METADATA: Final[Row] = {
    "system": {
        "client": "Mozilla/5.0",
        "ip_address": "192.0.2.7",
        "location": "Dublin, Ireland",
        "latitude": 53.3,
        "longitude": -6.2,
    },
    "custom": {},
}


def comment_id(ticket_id: int, number: int) -> int:
    """Return the id of the comment with this number (from 0); later comments have higher ids."""
    return _COMMENT_BASE + ticket_id * _COMMENTS_PER_TICKET + number


def via(channel: str) -> Row:
    """Return the ``via`` object of a channel."""
    return _VIA.get(channel) or {"channel": channel, "source": {"from": {}, "to": {}, "rel": None}}


def comment_row(
    comment: int, author: int, body: texts.Body, public: bool, created: str, channel: str, files: list[Row]
) -> Row:
    """Return a comment as ``/tickets/{id}/comments.json`` shows it."""
    return {
        "id": comment,
        "type": "Comment",
        "author_id": author,
        "body": body.body,
        "html_body": body.html,
        "plain_body": body.plain,
        "public": public,
        "attachments": files,
        "audit_id": comment - 1_000_000_000,
        "via": via(channel),
        "created_at": created,
        "metadata": METADATA,
    }


class Generated:
    """The account as it is at the start; nothing here ever changes."""

    def __init__(self, account: str, seed: int, people: People, shape: Shape) -> None:
        self._url = f"https://{account}.zendesk.com"
        self._seed = seed
        self._people = people
        self._shape = shape
        self._random = Random()

    def removed(self, ticket_id: int) -> bool:
        """Say whether the ticket was deleted or is spam."""
        return self._shape.kind[ticket_id - 1] in (Kind.DELETED, Kind.SPAM)

    def _start(self, ticket_id: int) -> tuple[Random, texts.Story, int, int | None, int]:
        """Seed the generator for a ticket and draw who and what it is about."""
        index = ticket_id - 1
        random = self._random
        random.seed(self._seed * 1_000_003 + ticket_id)
        people = self._people
        requester = people.agents + int(random.random() ** 1.6 * people.end_users)
        agent = int(random.random() * people.agents)
        kind = int(self._shape.kind[index])
        tale = texts.story(
            random,
            kind,
            int(self._shape.created[index]),
            people.user_name(requester),
            people.user_name(agent),
        )
        assigned = random.random() < 0.9 and self._shape.status[index] != 0
        return random, tale, requester, agent if assigned else None, agent

    def row(self, ticket_id: int) -> Row:
        """Return the ticket's row."""
        index = ticket_id - 1
        random, tale, requester, assignee, agent = self._start(ticket_id)
        return self._row(ticket_id, index, random, tale, requester, assignee, agent)[0]

    def _row(
        self,
        ticket_id: int,
        index: int,
        random: Random,
        tale: texts.Story,
        requester: int,
        assignee: int | None,
        agent: int,
    ) -> tuple[Row, texts.Body, str, bool]:
        draw = random.random
        shape, people = self._shape, self._people
        kind = int(shape.kind[index])
        first = texts.opening(random, tale, kind)
        channel = CHANNELS[int(draw() * len(CHANNELS))]
        internal = draw() < 0.01
        priority = PRIORITIES[int(draw() * len(PRIORITIES))]
        product = tale.slots["product"].lower().replace(" ", "_")
        tags = [tale.topic.tag, product]
        if tale.language != "en":
            tags.append(f"lang_{tale.language}")
        if draw() < 0.3:
            tags.append(_EXTRA_TAGS[int(draw() * len(_EXTRA_TAGS))])
        if kind == Kind.MERGED:
            tags.append("closed_by_merge")
        tags.sort()
        status = STATUSES[shape.status[index]]
        organization = people.organization_of(requester)
        user = people.user_id(requester)
        row = {
            "url": f"{self._url}/api/v2/tickets/{ticket_id}.json",
            "id": ticket_id,
            "external_id": None,
            "via": _VIA[channel],
            "created_at": iso(shape.created[index]),
            "updated_at": iso(shape.updated[index]),
            "type": tale.topic.kind,
            "subject": tale.subject,
            "raw_subject": tale.subject,
            "description": first.body,
            "priority": priority,
            "status": "deleted" if kind in (Kind.DELETED, Kind.SPAM) else status,
            "recipient": None,
            "requester_id": user,
            "submitter_id": people.user_id(agent) if internal else user,
            "assignee_id": None if assignee is None else people.user_id(assignee),
            "organization_id": None if organization is None else people.organization_id(organization),
            "group_id": people.group_id(tale.topic.group % len(GROUPS)),
            "collaborator_ids": [],
            "follower_ids": [],
            "email_cc_ids": [],
            "forum_topic_id": None,
            "problem_id": None,
            "has_incidents": False,
            "is_public": not internal,
            "due_at": None,
            "tags": tags,
            "custom_fields": [],
            "satisfaction_rating": None,
            "sharing_agreement_ids": [],
            "custom_status_id": CUSTOM_STATUSES[status],
            "fields": [],
            "followup_ids": [],
            "ticket_form_id": TICKET_FORM,
            "brand_id": people.brand_id(ticket_id * 7 % 10 // 5 + (ticket_id % 10 == 9)) if BRANDS else None,
            "allow_channelback": False,
            "allow_attachments": True,
            "from_messaging_channel": False,
        }
        return row, first, channel, internal

    def whole(self, ticket_id: int) -> tuple[Row, list[Row]]:
        """Return the ticket's row and all its comments, the oldest first."""
        index = ticket_id - 1
        random, tale, requester, assignee, agent = self._start(ticket_id)
        row, body, channel, internal = self._row(ticket_id, index, random, tale, requester, assignee, agent)
        draw = random.random
        user, staff = row["requester_id"], self._people.user_id(agent)
        begin, step = self._shape.comment_times(index)
        count = int(self._shape.comments[index])
        author, public = (staff, False) if internal else (user, True)
        comments = []
        thread = count > 20
        for number in range(count):
            if number:
                turn = draw()
                if internal or turn < 0.2:
                    author, public, writer = staff, False, texts.note
                elif turn < 0.6:
                    author, public, writer = staff, True, texts.answer
                else:
                    author, public, writer = user, True, texts.reply
                body = texts.numbered(writer, random, tale, number) if thread else writer(random, tale)
            files = self._files(ticket_id, number, draw()) if draw() < 0.08 else []
            comments.append(
                comment_row(
                    comment_id(ticket_id, number),
                    author,
                    body,
                    public,
                    iso(begin + number * step),
                    channel,
                    files,
                )
            )
        return row, comments

    def _files(self, ticket_id: int, number: int, draw: float) -> list[Row]:
        first = int(draw * 1_000)
        return [
            self._file(
                comment_id(ticket_id, number) * 10 + n, *_FILES[(first + n) % len(_FILES)], 1_000 + first * 37
            )
            for n in range(1 + first % 2)
        ]

    def _file(self, file_id: int, name: str, content_type: str, size: int) -> dict[str, Any]:
        content = f"{self._url}/attachments/token/{file_id:x}/?name={name}"
        return {
            "url": f"{self._url}/api/v2/attachments/{file_id}.json",
            "id": file_id,
            "file_name": name,
            "content_url": content,
            "mapped_content_url": content,
            "content_type": content_type,
            "size": size,
            "width": None,
            "height": None,
            "inline": False,
            "deleted": False,
            "malware_access_override": False,
            "malware_scan_result": "not_scanned",
            "thumbnails": [],
        }
