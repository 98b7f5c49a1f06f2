"""Every error ticketstream raises on purpose.

::

    TicketstreamError
    ├── UserError                  one clear line for a person; what to do is part of it
    │   ├── NotFoundError          what was named is not there
    │   ├── ConflictError          what was asked does not fit the state things are in
    │   ├── SettingsError          a setting is missing or wrong (names its variable)
    │   ├── CredentialsError       a service refused the login
    │   └── StackError             the local stack cannot be started or stopped
    ├── RetryableError             can succeed later: try again, never drop
    │   ├── RateLimitedError       429 and its kin; ``retry_after`` when the service says
    │   └── UnavailableError       5xx, time-outs, connection errors, a service that is away
    └── PermanentError             can never succeed: becomes a dead letter
        ├── DecodeError            bytes that are not what they claim to be
        ├── UnknownSchemaError     a message type or version this release does not know
        ├── RefusedError           an API said no for good (400, 404, 422 …)
        └── InvalidVectorError     a vector of the wrong count or size
"""

from __future__ import annotations


class TicketstreamError(Exception):
    """Base of every error raised on purpose."""


class UserError(TicketstreamError):
    """Shown to a person as one line that says what, where and how to mend it."""


class NotFoundError(UserError):
    """What was named is not there."""


class ConflictError(UserError):
    """What was asked for does not fit the state things are in."""


class SettingsError(UserError):
    """A setting is missing or wrong."""


class CredentialsError(UserError):
    """A service refused the login."""


class StackError(UserError):
    """The local stack cannot be started, reached or stopped."""


class RetryableError(TicketstreamError):
    """Can succeed later.

    ``retry_after`` is the pause in seconds the service asked for, or None when it named none.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitedError(RetryableError):
    """The service asked for fewer calls."""


class UnavailableError(RetryableError):
    """The service is away, too slow or broken for now."""


class PermanentError(TicketstreamError):
    """Can never succeed, however often it is tried."""


class DecodeError(PermanentError):
    """Bytes that are not what they claim to be."""


class UnknownSchemaError(PermanentError):
    """A message type or version this release does not know."""


class RefusedError(PermanentError):
    """An API refused this one request for good. ``status`` is its HTTP status, 0 when it has none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class InvalidVectorError(PermanentError):
    """An embedding answer whose vectors do not match the texts in number or size."""
