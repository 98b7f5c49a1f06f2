"""The rows and comments of a generated account, made from (seed, id) when asked for."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from ticketstream.local.sample.zendesk import texts
from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.people import GROUPS, People, Row
from ticketstream.local.sample.zendesk.shape import STATUSES, Kind, Shape

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
_VIA: Final[dict[str, Row]] = {
    name: {"channel": name, "source": {"from": {}, "to": {}, "rel": None}} for name in CHANNELS
}
MERGE_TAG: Final = "closed_by_merge"
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


def audit_id(comment: int) -> int:
    """Return the id of the audit that added a comment."""
    return comment - 1_000_000_000_000


def via(channel: str) -> Row:
    """Return the ``via`` object of a channel."""
    return _VIA[channel]


def merged_via(target: Row) -> Row:
    """Return the ``via`` that a merge leaves on the ticket that was merged: it names the target."""
    origin = {"ticket_id": target["id"], "subject": target["subject"], "channel": target["via"]["channel"]}
    return {"channel": "web", "source": {"from": origin, "to": {}, "rel": "merge"}}


def comment_row(
    comment: int, author: int, body: texts.Body, public: bool, created: str, origin: Row, files: list[Row]
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
        "audit_id": audit_id(comment),
        "via": origin,
        "created_at": created,
        "metadata": METADATA,
    }


def new_row(account: str, people: People, ticket_id: int, requester_id: int, created: str) -> Row:
    """Return the row of a ticket nobody has worked on yet."""
    index = people.user_index(requester_id)
    organization = None if index is None else people.organization_of(index)
    return {
        "url": f"https://{account}.zendesk.com/api/v2/tickets/{ticket_id}.json",
        "id": ticket_id,
        "external_id": None,
        "via": via("api"),
        "created_at": created,
        "updated_at": created,
        "type": None,
        "subject": None,
        "raw_subject": None,
        "description": "",
        "priority": None,
        "status": "new",
        "recipient": None,
        "requester_id": requester_id,
        "submitter_id": requester_id,
        "assignee_id": None,
        "organization_id": None if organization is None else people.organization_id(organization),
        "group_id": people.group_id(0),
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": None,
        "problem_id": None,
        "has_incidents": False,
        "is_public": True,
        "due_at": None,
        "tags": [],
        "custom_fields": [],
        "satisfaction_rating": None,
        "sharing_agreement_ids": [],
        "custom_status_id": CUSTOM_STATUSES["new"],
        "fields": [],
        "followup_ids": [],
        "ticket_form_id": TICKET_FORM,
        "brand_id": people.brand_id(0),
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }


class Generated:
    """The account as it is at the start; nothing here ever changes."""

    def __init__(self, account: str, seed: int, people: People, shape: Shape) -> None:
        self._account = account
        self._url = f"https://{account}.zendesk.com"
        self._seed = seed
        self._people = people
        self._shape = shape
        self._random = Random()

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
            tags.append(MERGE_TAG)
        tags.sort()
        status = STATUSES[shape.status[index]]
        user = people.user_id(requester)
        row = new_row(self._account, people, ticket_id, user, iso(shape.created[index]))
        row["via"] = _VIA[channel]
        row["updated_at"] = iso(shape.updated[index])
        row["type"] = tale.topic.kind
        row["subject"] = row["raw_subject"] = tale.subject
        row["description"] = first.body
        row["priority"] = priority
        row["status"] = "deleted" if kind in (Kind.DELETED, Kind.SPAM) else status
        if internal:
            row["submitter_id"] = people.user_id(agent)
            row["is_public"] = False
        row["assignee_id"] = None if assignee is None else people.user_id(assignee)
        row["group_id"] = people.group_id(tale.topic.group % len(GROUPS))
        row["tags"] = tags
        row["custom_status_id"] = CUSTOM_STATUSES[status]
        row["brand_id"] = people.brand_id((0, 0, 0, 1, 0, 0, 2)[ticket_id % 7])
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
                    _VIA[channel],
                    files,
                )
            )
        # An agent may leave a comment out when merging: then only the audits tell of it.
        if ticket_id % 2 == 0 and (target := self._shape.merged_into(ticket_id)) is not None:
            comments[-1]["via"] = merged_via(self.row(target))
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
