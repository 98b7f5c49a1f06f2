"""Zendesk's signature of a webhook.

``X-Zendesk-Webhook-Signature`` is base64(HMAC-SHA256(secret, timestamp + body)): the secret as it is
shown, the timestamp as it stands in ``X-Zendesk-Webhook-Signature-Timestamp`` (ISO 8601, as
``2021-03-25T05:09:27Z``), the body as it came. Source: Zendesk's page "Verifying webhook
authenticity"; an old edition of that page, with the body before the timestamp, is superseded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from schemas.errors import DecodeError
from schemas.times import epoch

TEST_SECRET: Final = b"dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
"""What Zendesk signs the test of a webhook with that is not saved yet. Everybody knows it: it proves nothing.

Source: Zendesk's page "Verifying webhook authenticity", section "Signing secrets on new webhooks".
"""

SIGNATURE: Final = "x-zendesk-webhook-signature"
TIMESTAMP: Final = "x-zendesk-webhook-signature-timestamp"
WINDOW_SECONDS: Final = 300.0


def is_genuine(secret: bytes, timestamp: bytes, body: bytes, signature: bytes) -> bool:
    """Say whether the signature is the one of this timestamp and body, in constant time."""
    expected = base64.b64encode(hmac.digest(secret, timestamp + body, hashlib.sha256))
    return hmac.compare_digest(expected, signature)


def is_recent(timestamp: bytes, now: float) -> bool:
    """Say whether a timestamp lies within 5 minutes of ``now`` (Unix seconds), before or after."""
    try:
        moment = epoch(timestamp.decode("ascii"))
    except (DecodeError, UnicodeDecodeError):
        return False
    return abs(now - moment) <= WINDOW_SECONDS
