"""A new pair on this machine's disk, for the moment until Kafka has it.

Zendesk kills the old pair with the answer that brings the new one. Were it in memory alone until Kafka has
acknowledged it, a process that ends in between would lose the login.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec
import structlog

from schemas.ids import digest
from schemas.logins import LoginPair, login_prefix

_ONLY_ITS_OWNER: Final = 0o600
_DECODER: Final = msgspec.json.Decoder(LoginPair)


class PendingPairs:
    """Files of the data directory with pairs, sealed as they are in Kafka, readable by their owner only."""

    def __init__(self, data_dir: Path, account: str, client_id: str) -> None:
        self._folder = data_dir.expanduser()
        self._name = f"zendesk-login-{digest(login_prefix(account, client_id).encode())}"

    def write(self, pair: LoginPair) -> None:
        """Keep a pair until it is removed; a disk that cannot is logged, and Kafka has to do."""
        path = self._path(pair)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_ITS_OWNER)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(pair))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            structlog.get_logger().warning("a new login was not kept on disk", reason=error.strerror)

    def read(self) -> list[LoginPair]:
        """Return what lies there: what another process had no time to bring to Kafka, or is just bringing."""
        found = []
        for path in sorted(self._folder.glob(f"{self._name}-*.pending")):
            try:
                found.append(_DECODER.decode(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
                structlog.get_logger().warning("a kept login cannot be read", path=str(path), error=error)
        return found

    def remove(self, pair: LoginPair) -> None:
        """Forget a pair that Kafka has."""
        try:
            self._path(pair).unlink(missing_ok=True)
        except OSError as error:
            structlog.get_logger().warning("a kept login was not removed", reason=error.strerror)

    def _path(self, pair: LoginPair) -> Path:
        return self._folder / f"{self._name}-{pair.chain[:12]}-{pair.generation}.pending"
