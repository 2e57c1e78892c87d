"""What this program puts into other tools' files so that it can read its own vectors back whole.

Other tools pass it over. What is read is checked like any metadata; a part that is not right is passed over too.
"""

from __future__ import annotations

import json

from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import SteerError
from steer_tui.library.header import METADATA_KEY

KEY = METADATA_KEY
MAX_TEXT = 1 << 17
"""Bytes; a library file's header has room for it several times over."""


def embed(vector: SteeringVector) -> str:
    """Return a vector's metadata as JSON text."""
    return json.dumps(vector.meta.to_json(), allow_nan=False)


def extract_meta(value: object) -> VectorMeta | None:
    """Return the metadata that a text or a JSON object holds, None where it holds none."""
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict):
        return None
    try:
        return VectorMeta.from_json(value)
    except SteerError:
        return None
