"""safetensors files from elsewhere: the header within bounds first, then the numbers by the safetensors library.

Knows nothing of what the tensors mean.
"""

from __future__ import annotations

import json

from torch import Tensor

from steer_tui.errors import LibraryError
from steer_tui.library.formats.limits import MAX_LAYERS
from steer_tui.library.header import MAX_HEADER

_BEGINS = b"{"


def is_safetensors(data: bytes) -> bool:
    """Say whether bytes begin as a safetensors file does: a length, then a JSON object."""
    return len(data) > 9 and data[8:9] == _BEGINS and int.from_bytes(data[:8], "little") <= max(len(data), MAX_HEADER)


def load_safetensors(data: bytes) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata and the tensors of a file.

    Raises:
        LibraryError: It is damaged, or holds more than a vector can need.
    """
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise LibraryError(f"has a header of {length} bytes, more than a vector can need")
    if length > len(data) - 8:
        raise LibraryError("is cut short")
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise LibraryError("is damaged: its header is not valid JSON") from error
    metadata = header.pop("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise LibraryError("is damaged: its metadata is no object of texts")
    if len(header) > MAX_LAYERS:
        raise LibraryError(f"holds {len(header)} tensors, more than a vector can need")
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return metadata, load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise LibraryError("is damaged: its tensors do not fit its header") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise LibraryError("is damaged: its header names a tensor twice")
    return found
