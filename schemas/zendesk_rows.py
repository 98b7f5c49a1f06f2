"""The rows of Zendesk's answers, each by itself: any field may be null, missing or of a wrong type.

Zendesk's published schemas let nearly every field be null. So a row is only an error when it has no usable
id, or a time that nobody can read and that decides which state of a ticket is shown; and then of that row
alone. What is not known to be public is internal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from schemas.errors import DecodeError, quoting
from schemas.merges import target_of_via
from schemas.outside import UNREADABLE, Lenient, field_of, id_of, number_of, text_of
from schemas.times import LAST_YEAR, utc_text, written
from schemas.zendesk import Attachment, Comment, Named, Ticket, User

Rows = list[msgspec.Raw]

_LATEST: Final = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()


class TicketFields(msgspec.Struct):
    """A ticket's row, as it came."""

    id: Any = None
    created_at: Any = None
    updated_at: Any = None
    status: Any = None
    subject: Any = None
    description: Any = None
    priority: Any = None
    tags: Any = None
    requester_id: Any = None
    submitter_id: Any = None
    assignee_id: Any = None
    organization_id: Any = None
    group_id: Any = None
    brand_id: Any = None
    is_public: Any = None
    generated_timestamp: Any = None


def ticket_from(fields: TicketFields) -> Ticket:
    """Return the ticket of a row; raises DecodeError where it has no id, or a time nobody can read.

    ``updated_at`` orders the states of a ticket. Where it is missing, ``generated_timestamp`` stands for it,
    or else ``created_at``; a ticket without all three is older than any other state of it.
    """
    generated = number_of(fields.generated_timestamp)
    if generated is not None and not 0 <= generated < _LATEST:
        generated = None
    created = time_of(fields.created_at)
    updated = time_of(fields.updated_at)
    if not updated and generated is not None:
        updated = written(datetime.fromtimestamp(generated, UTC))
    elif not updated and isinstance(fields.updated_at, str) and fields.updated_at.strip():
        utc_text(fields.updated_at)  # raises
    return Ticket(
        id=_own_id(fields.id, "ticket"),
        created_at=created,
        updated_at=updated or created,
        status=text_of(fields.status),
        subject=text_of(fields.subject) or None,
        description=text_of(fields.description) or None,
        priority=text_of(fields.priority) or None,
        tags=_texts(fields.tags),
        requester_id=number_of(fields.requester_id),
        submitter_id=number_of(fields.submitter_id),
        assignee_id=number_of(fields.assignee_id),
        organization_id=number_of(fields.organization_id),
        group_id=number_of(fields.group_id),
        brand_id=number_of(fields.brand_id),
        is_public=fields.is_public is True,
        generated_timestamp=generated,
    )


class _Comment(msgspec.Struct):
    id: Any = None
    public: Any = None
    created_at: Any = None
    author_id: Any = None
    body: Any = None
    plain_body: Any = None
    html_body: Any = None
    attachments: Any = None
    data: Any = None
    via: Any = None


def _comment(fields: _Comment) -> Comment:
    attachments = fields.attachments if isinstance(fields.attachments, list) else ()
    return Comment(
        id=id_of(fields.id) or 0,  # nobody needs it; its text would be missed
        public=fields.public is True,
        created_at=time_of(fields.created_at),
        author_id=number_of(fields.author_id),
        body=text_of(fields.body) or None,
        plain_body=text_of(fields.plain_body) or None,
        html_body=text_of(fields.html_body) or None,
        attachments=[_attachment(each) for each in attachments if isinstance(each, dict)],
        merged_into=target_of_via(fields.via),
        transcription=text_of(field_of(fields.data, "transcription_text")) or None,
    )


def _attachment(told: dict[str, Any]) -> Attachment:
    return Attachment(
        id=id_of(told.get("id")) or 0,
        file_name=text_of(told.get("file_name")),
        content_type=text_of(told.get("content_type")),
    )


class _User(msgspec.Struct):
    id: Any = None
    name: Any = None
    email: Any = None
    role: Any = None
    organization_id: Any = None


def _user(fields: _User) -> User:
    return User(
        id=_own_id(fields.id, "user"),
        name=text_of(fields.name),
        email=text_of(fields.email) or None,
        role=text_of(fields.role),
        organization_id=number_of(fields.organization_id),
    )


class _Named(msgspec.Struct):
    id: Any = None
    name: Any = None


def _named(fields: _Named) -> Named:
    return Named(id=_own_id(fields.id, "organization or group"), name=text_of(fields.name))


_NAME: Final = Lenient(_Named, lambda fields: (id_of(fields.id), text_of(fields.name)))


class _Numbered(msgspec.Struct):
    id: Any = None
    comment_count: Any = None


_TICKET_ROW: Final = Lenient(TicketFields, ticket_from)
_COMMENT_ROW: Final = Lenient(_Comment, _comment)
_USER_ROW: Final = Lenient(_User, _user)
_NAMED_ROW: Final = Lenient(_Named, _named)
_NUMBERED_ROW: Final = Lenient(_Numbered, lambda fields: (id_of(fields.id), number_of(fields.comment_count)))


def ticket_of(row: msgspec.Raw | bytes) -> Ticket:
    """Return the ticket of a row; raises DecodeError for one that is none, as ticket_from does."""
    ticket: Ticket = _of(row, _TICKET_ROW, "ticket")
    return ticket


def comment_of(row: msgspec.Raw | bytes) -> Comment:
    """Return the comment of a row; raises DecodeError for what is no object."""
    comment: Comment = _of(row, _COMMENT_ROW, "comment")
    return comment


def comments_of(rows: Rows) -> list[Comment]:
    """Return the comments of rows, of which null says nothing; raises DecodeError as comment_of does."""
    return [comment_of(row) for row in rows if bytes(row) != b"null"]


def users_of(rows: Rows) -> list[User]:
    """Return the people of rows; those without a usable id are nobody's."""
    return _readable(rows, _USER_ROW)


def named_of(rows: Rows) -> list[Named]:
    """Return the organisations or groups of rows; those without a usable id are nobody's."""
    return _readable(rows, _NAMED_ROW)


def name_in(row: msgspec.Raw | bytes) -> tuple[int | None, str]:
    """Return id and name of what may be an organisation or a group; a name without an id is one too."""
    try:
        return _NAME.decode(row)
    except UNREADABLE:
        return None, ""


def id_in(row: msgspec.Raw | bytes) -> int | None:
    """Return the id of a row, None where it has none that can be used."""
    return _numbers(row)[0]


def comment_count_in(row: msgspec.Raw | bytes) -> int | None:
    """Return how many comments a ticket's row says it has; None where it does not say."""
    count = _numbers(row)[1]
    return count if count is not None and count >= 0 else None


def _numbers(row: msgspec.Raw | bytes) -> tuple[int | None, int | None]:
    try:
        return _NUMBERED_ROW.decode(row)
    except UNREADABLE:
        return None, None


def time_of(value: object) -> str:
    """Return a time of a row as RFC 3339 in UTC, "" where it is none."""
    if not isinstance(value, str):
        return ""
    try:
        return utc_text(value)
    except DecodeError:
        return ""


def _of(row: msgspec.Raw | bytes, reader: Lenient[Any, Any], what: str) -> Any:
    try:
        return reader.decode(row)
    except UNREADABLE as error:
        raise quoting(DecodeError(f"not a {what} of Zendesk: {error}"), str(error)) from error


def _readable(rows: Rows, reader: Lenient[Any, Any]) -> list[Any]:
    found = []
    for row in rows:
        try:
            found.append(reader.decode(row))
        except (DecodeError, *UNREADABLE):
            continue
    return found


def _own_id(value: object, what: str) -> int:
    number = id_of(value)
    if number is None:
        raise DecodeError(f"not a {what} of Zendesk: its id is missing, or no number from 1 to 2^63-1")
    return number


def _texts(value: object) -> list[str]:
    return [text for each in value if (text := text_of(each))] if isinstance(value, list) else []
