"""Original bytes as text that is safe on a terminal."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from ticketstream.terminal.untrusted import printable_text

_BYTES_A_ROW: Final = 16
_HEX_BYTES: Final = 4096


def as_text(raw: bytes) -> str:
    """Return JSON indented (its values as they are written), other text as it is, anything else in hex.

    Control characters are spelled out; of bytes that are no text, the first 4,096 are shown.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _hex(raw)
    if text.lstrip().startswith(("{", "[")):
        try:
            json.loads(text)
            # Formatting without reading: a number stays the number that was sent.
            text = msgspec.json.format(raw, indent=2).decode("utf-8")
        except (ValueError, RecursionError, msgspec.MsgspecError):
            pass
    return printable_text(text, lines=True)


def _hex(raw: bytes) -> str:
    rows = []
    for start in range(0, min(len(raw), _HEX_BYTES), _BYTES_A_ROW):
        row = raw[start : start + _BYTES_A_ROW]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rows.append(f"{start:08x}  {row.hex(' '):<47}  {letters}")
    if len(raw) > _HEX_BYTES:
        rows.append(f"… {len(raw) - _HEX_BYTES:,} bytes more")
    return "\n".join(rows)
