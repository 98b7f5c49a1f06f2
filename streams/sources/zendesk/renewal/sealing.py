"""Tokens sealed for Kafka: AES-256-GCM under a key that Kafka never sees."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.errors import DecodeError

_SALT: Final = b"ticketstream zendesk.logins 1"
_NONCE_BYTES: Final = 12
_UNREADABLE: Final = "a stored login cannot be opened: it was sealed with another key, or changed since"


class _Tokens(msgspec.Struct):
    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair; never shown."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


class Seal:
    """Seals and opens the tokens of one OAuth client of one account.

    ``material`` is what only those may know who use the login: the client's secret, or where it has none, the
    content of a key file. Both are long random texts, so a plain derivation (HKDF) is enough.
    """

    def __init__(self, material: str, account: str, client_id: str) -> None:
        derive = HKDF(SHA256(), 32, _SALT, f"{account}\x1f{client_id}".encode())
        key = derive.derive(material.encode("utf-8", "surrogatepass"))
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"key id" + key).hexdigest()[:12]

    def seal(self, tokens: Tokens, about: bytes) -> str:
        """Return the tokens sealed; they open only together with ``about``."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = msgspec.json.encode(_Tokens(tokens.access, tokens.refresh))
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, about)).decode("ascii")

    def open(self, sealed: str, about: bytes) -> Tokens:
        """Return the tokens; raises DecodeError for another key, or when anything was changed."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], about)
            tokens = msgspec.json.decode(plain, type=_Tokens)
        except (ValueError, InvalidTag, msgspec.DecodeError):
            raise DecodeError(_UNREADABLE) from None
        return Tokens(tokens.access, tokens.refresh)


def chain_of(refresh_token: str, account: str, client_id: str) -> str:
    """Return the chain that a refresh token of the settings begins.

    That is a salted hash, which tells nothing of so long a random text. No key is in it: whoever seals with
    another one must know all the same that this token has been used.
    """
    salted = "\x1f".join((account, client_id, refresh_token)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(_SALT + salted).hexdigest()[:24]


def new_material() -> str:
    """Return a new random text for a key file."""
    return secrets.token_urlsafe(32)
