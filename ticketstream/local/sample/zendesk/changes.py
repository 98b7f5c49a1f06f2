"""Live changes of tickets, as Zendesk's write endpoints make them.

Every change moves ``updated_at`` and the place in the export, and is told to the listener.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape, unescape
from typing import Any, Final

from selectolax.lexbor import LexborHTMLParser

from ticketstream.local.sample.zendesk.account import Account, LiveTicket
from ticketstream.local.sample.zendesk.change_events import CHOICES, ChangeEvents
from ticketstream.local.sample.zendesk.clock import iso
from ticketstream.local.sample.zendesk.events import Event
from ticketstream.local.sample.zendesk.merges import follow_up_via, took_in_via
from ticketstream.local.sample.zendesk.people import Row
from ticketstream.local.sample.zendesk.responses import not_found, unprocessable
from ticketstream.local.sample.zendesk.texts import Body, body_of
from ticketstream.local.sample.zendesk.thread import LongThread
from ticketstream.local.sample.zendesk.tickets import (
    CUSTOM_STATUSES,
    MERGE_TAG,
    comment_id,
    comment_row,
    merged_via,
    new_row,
    via,
)

_RECORDS: Final = ("assignee_id", "requester_id", "organization_id", "group_id", "brand_id")
SCRUBBED: Final = "SCRUBBED"
"""What Zendesk leaves of the texts of a permanently deleted ticket."""


class Changes:
    """Applies changes to an account. Raises ApiError as Zendesk would refuse them."""

    def __init__(self, account: Account, tell: Callable[[Event], None]) -> None:
        self._account = account
        self._agent = account.people.user_id(0)
        self._story = ChangeEvents(account, tell)

    def create(self, fields: dict[str, Any]) -> Row:
        """Create a ticket; it needs a comment. Returns its row.

        With ``via_followup_source_id`` it is a follow-up of that closed ticket, and inherits all its tags.
        Sources: Zendesk's API reference, "Creating follow-up tickets"; its help centre, "About follow-ups".
        """
        comment = fields.get("comment") or {"body": fields.get("description")}
        account = self._account
        ticket_id = len(account) + 1
        requester = fields.get("requester_id") or self._agent
        now = account.now()
        row = new_row(account.name, account.people, ticket_id, requester, iso(now))
        source = self._followed(fields)
        changed = self._checked(row, fields)
        first = self._comment(ticket_id, 0, comment, fields.get("submitter_id") or requester, now)
        if source is not None:
            row["via"] = first["via"] = follow_up_via(source.row)
            changed["tags"] = sorted({*source.row["tags"], *changed.get("tags", ())})
            source.row = {**source.row, "followup_ids": [*source.row["followup_ids"], ticket_id]}
        row.update(changed, description=first["body"], is_public=first["public"])
        live = account.add(row, [first])
        account.touch(live, now)
        self._story.say("created", live, {}, said=first)
        return live.row

    def update(self, ticket_id: int, fields: dict[str, Any]) -> Row:
        """Change fields of a ticket and add ``comment``, if there is one. Returns its row."""
        live = self._open(ticket_id)
        old = live.row
        changed = {name: value for name, value in self._checked(old, fields).items() if old[name] != value}
        comment = fields.get("comment")
        added = None
        now = self._account.now()
        if comment:
            author = comment.get("author_id") if isinstance(comment, dict) else None
            added = self._comment(ticket_id, len(live.comments), comment, author or self._agent, now)
            live.comments = [*live.comments, added]
        self._moved(live, changed, now)
        if added is not None:
            self._story.comment(live, added)
        self._story.fields(live, old, changed)
        return live.row

    def delete(self, ticket_id: int) -> None:
        """Delete a ticket; it can be restored."""
        live = self._there(ticket_id)
        self._go(live, "deleted")
        self._story.say("soft_deleted", live, {})

    def spam(self, ticket_id: int) -> None:
        """Mark a ticket as spam, which deletes it."""
        live = self._there(ticket_id)
        self._go(live, "spam")
        self._story.say("marked_as_spam", live, {})

    def restore(self, ticket_id: int) -> None:
        """Bring a deleted ticket back."""
        live = self._deleted(ticket_id)
        live.gone = None
        self._moved(live, {"status": live.before}, self._account.now())
        self._story.say("undeleted", live, {})

    def purge(self, ticket_id: int) -> None:
        """Delete a deleted ticket for good: nothing of its text is left."""
        live = self._deleted(ticket_id)
        live.gone, live.comments = "purged", []
        texts = {"subject": SCRUBBED, "raw_subject": SCRUBBED, "description": SCRUBBED, "tags": []}
        self._moved(live, texts, self._account.now())
        self._story.say("permanently_deleted", live, {})

    def merge(self, target_id: int, fields: dict[str, Any]) -> list[int]:
        """Close tickets and merge them into another, which gets their last comments. Returns their ids.

        Comments are private unless asked otherwise. Source: Zendesk's API reference, "Merge Tickets into
        Target Ticket".
        """
        target = self._open(target_id)
        ids = fields.get("ids")
        if not isinstance(ids, list) or not ids or not all(isinstance(i, int) for i in ids):
            raise unprocessable("ids", "ids: is required")
        if target_id in ids:
            raise unprocessable("ids", "Tickets cannot be merged into themselves")
        sources = [self._open(ticket_id) for ticket_id in dict.fromkeys(ids)]
        for source in sources:
            here, there = source.row, target.row
            said = fields.get("source_comment") or (
                f'This request was closed and merged into request #{there["id"]} "{there["subject"]}".'
            )
            told = fields.get("target_comment") or (
                f'Request #{here["id"]} "{here["subject"]}" was closed and merged into this request. '
                f"Last comment in request #{here['id']}:\n\n{source.comments[-1]['body']}"
            )
            tags = sorted({*here["tags"], MERGE_TAG})
            public = bool(fields.get("source_comment_is_public", False))
            last = self._append(source, str(said), public, merged_via(there))
            source.merged_into = target_id
            self._moved(source, {"status": "closed", "tags": tags}, self._account.now())
            public = bool(fields.get("target_comment_is_public", False))
            self._append(target, str(told), public, took_in_via([here["id"]]))
            self._moved(target, {}, self._account.now())
            self._story.say("merged", source, {"target_ticket_id": str(target_id)}, said=last)
            self._story.comment(target, target.comments[-1])
        return [source.row["id"] for source in sources]

    def lengthen(self, ticket_id: int, count: int, characters: int) -> Row:
        """Have a ticket have so many comments: new ones of so many characters, or fewer of those it had."""
        live = self._open(ticket_id)
        now = self._account.now()
        first = live.comments[: min(count, len(live.comments))]
        live.comments = LongThread(ticket_id, first, count, characters, author=self._agent, begin=now - count)
        self._moved(live, {}, now)
        self._story.comment(live, live.comments[-1])
        return live.row

    def make_private(self, ticket_id: int, comment: int) -> None:
        """Hide a public comment from the requester."""
        live = self._open(ticket_id)
        number, old = self._find(live, comment)
        self._replace(live, number, {**old, "public": False})
        self._moved(live, {}, self._account.now())
        self._story.say("comment_made_private", live, {"comment": {"id": str(comment)}})

    def redact(self, ticket_id: int, comment: int, text: str) -> Row:
        """Black out a text in a comment. Returns the comment."""
        live = self._open(ticket_id)
        number, old = self._find(live, comment)
        if not text or text not in old["body"]:
            raise unprocessable("text", "text: is not part of the comment")
        black = "▇" * len(text)
        new = {
            **old,
            "body": old["body"].replace(text, black),
            "plain_body": old["plain_body"]
            .replace(text, black)
            .replace(text.replace("\n\n", " \n\n "), black),
            "html_body": old["html_body"].replace(escape(text, quote=False), black).replace(text, black),
        }
        self._replace(live, number, new)
        self._moved(live, {"description": new["body"]} if number == 0 else {}, self._account.now())
        self._story.say("comment_redacted", live, {"comment": {"id": str(comment)}})
        return new

    # What tickets can be changed.

    def _there(self, ticket_id: int) -> LiveTicket:
        if not self._account.present(ticket_id):
            raise not_found()
        return self._account.materialise(ticket_id)

    def _open(self, ticket_id: int) -> LiveTicket:
        live = self._there(ticket_id)
        if live.row["status"] == "closed":
            raise unprocessable("status", "Status: closed prevents ticket update")
        return live

    def _followed(self, fields: dict[str, Any]) -> LiveTicket | None:
        followed = fields.get("via_followup_source_id")
        if followed is None:
            return None
        live = self._there(followed)
        if live.row["status"] != "closed":
            raise unprocessable("via_followup_source_id", "Followup: the source ticket is not closed")
        return live

    def _deleted(self, ticket_id: int) -> LiveTicket:
        account = self._account
        if not account.exists(ticket_id) or account.gone(ticket_id) not in ("deleted", "spam"):
            raise not_found()
        return account.materialise(ticket_id)

    @staticmethod
    def _find(live: LiveTicket, comment: int) -> tuple[int, Row]:
        for number, row in enumerate(live.comments):
            if row["id"] == comment:
                return number, row
        raise not_found()

    # How they change.

    def _checked(self, row: Row, fields: dict[str, Any]) -> Row:
        """Return the fields to set, as a row holds them; unknown ones are ignored, as Zendesk does."""
        result: Row = {}
        for name, choices in CHOICES.items():
            if name in fields:
                if fields[name] not in choices:
                    raise unprocessable(name, f"{name.title()}: {fields[name]!r} is not included in the list")
                result[name] = fields[name]
        if "status" in result:
            result["custom_status_id"] = CUSTOM_STATUSES[result["status"]]
        for name in _RECORDS:
            if name in fields:
                value = fields[name]
                if value is not None and not (isinstance(value, int) and self._account.knows(name, value)):
                    raise unprocessable(name, f"{name}: {value!r} does not exist")
                if value is None and name in ("requester_id", "brand_id"):
                    raise unprocessable(name, f"{name}: cannot be blank")
                result[name] = value
        if "subject" in fields:
            result["subject"] = result["raw_subject"] = (
                None if fields["subject"] is None else str(fields["subject"])
            )
        tags = fields.get("tags")
        if isinstance(tags, list):
            result["tags"] = sorted({str(tag).lower() for tag in tags})
        if row["status"] != "new" and result.get("status") == "new":
            raise unprocessable("status", "Status: cannot be changed back to new")
        return result

    def _comment(self, ticket_id: int, number: int, given: Any, author: int, now: int) -> Row:
        if not isinstance(given, dict):
            given = {"body": given}
        html, text = given.get("html_body"), given.get("body")
        if isinstance(html, str):
            plain = unescape(LexborHTMLParser(html).text(separator="\n", strip=True))
            body = Body(plain, f'<div class="zd-comment" dir="auto">{html}</div>', plain)
        elif isinstance(text, str):
            body = body_of(text)
        else:
            raise unprocessable("comment", "Comment: cannot be blank")
        if not self._account.knows("author_id", author):
            raise unprocessable("author_id", f"author_id: {author!r} does not exist")
        public = bool(given.get("public", True))
        return comment_row(comment_id(ticket_id, number), author, body, public, iso(now), via("api"), [])

    def _append(self, live: LiveTicket, text: str, public: bool, origin: Row) -> Row:
        given = {"body": text, "public": public}
        comment = self._comment(live.row["id"], len(live.comments), given, self._agent, self._account.now())
        comment["via"] = origin
        live.comments = [*live.comments, comment]
        return comment

    @staticmethod
    def _replace(live: LiveTicket, number: int, comment: Row) -> None:
        live.comments = [*live.comments[:number], comment, *live.comments[number + 1 :]]

    def _go(self, live: LiveTicket, why: str) -> None:
        live.gone, live.before, live.deleted_by = why, live.row["status"], self._agent
        self._moved(live, {"status": "deleted"}, self._account.now())

    def _moved(self, live: LiveTicket, changed: Row, now: int) -> None:
        public = any(comment["public"] for comment in live.comments)
        live.row = {**live.row, **changed, "updated_at": iso(now), "is_public": public}
        self._account.touch(live, now)
