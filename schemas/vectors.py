"""Vectors as they travel: base64 of little-endian float32."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.errors import DecodeError

Vector = npt.NDArray[np.float32]


def encode_vector(vector: Sequence[float] | Vector) -> str:
    """Return base64 of the vector's little-endian float32 values (4 bytes each)."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")


def decode_vector(text: str, dimensions: int | None = None) -> Vector:
    """Return the float32 vector; raises DecodeError when it is no finite one of ``dimensions``."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"a vector is not base64: {error}") from error
    if len(raw) % 4:
        raise DecodeError(f"a vector has {len(raw)} bytes, which is no multiple of 4")
    vector: Vector = np.frombuffer(raw, dtype="<f4")
    if dimensions is not None and vector.size != dimensions:
        raise DecodeError(f"a vector has {vector.size} dimensions where {dimensions} were expected")
    if not np.isfinite(vector).all():
        raise DecodeError("a vector holds a value that is no finite number")
    return vector


def normalized(vectors: Vector) -> Vector:
    """Return the rows scaled to length 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vector = np.divide(vectors, np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled
