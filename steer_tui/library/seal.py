"""A vector file's bytes with other metadata, and the digest that tells later whether a bit of it has changed.

Promises that the numbers stay as they are, byte for byte, and that no torch is needed. Knows nothing of folders.
"""

from __future__ import annotations

import hashlib
import json

from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError
from steer_tui.library.header import MAX_HEADER, METADATA_KEY, SEAL_KEY, TENSOR_PREFIX, parse_header

_ALIGN = 8
"""The safetensors format wants its numbers to begin at a multiple of it."""


def with_metadata(data: bytes, meta: VectorMeta) -> bytes:
    """Return a safetensors file's bytes with `meta` as its metadata, sealed; other entries of its header stay.

    Raises:
        LibraryError: The bytes are no safetensors file, or the metadata is too large for one or not finite.
    """
    header, numbers = _split(data)
    known = meta.to_json()
    known[SEAL_KEY] = digest({key: value for key, value in known.items() if key != SEAL_KEY}, header, numbers)
    others = header.get("__metadata__")
    entries = dict(others) if isinstance(others, dict) else {}
    try:
        entries[METADATA_KEY] = json.dumps(known, allow_nan=False)
    except ValueError as error:
        raise LibraryError("its metadata holds a number that is not finite") from error
    raw = json.dumps({**header, "__metadata__": entries}, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % _ALIGN)
    if len(raw) > MAX_HEADER:
        raise LibraryError(f"metadata of {len(raw)} bytes is more than a vector can have", hint="shorten the note")
    return len(raw).to_bytes(8, "little") + raw + numbers


def is_as_sealed(data: bytes, seal: str) -> bool:
    """Say whether a vector file still holds what it held when it got its seal."""
    header, numbers = _split(data)
    metadata = header.get("__metadata__")
    text = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    known = json.loads(text) if isinstance(text, str) else {}
    known.pop(SEAL_KEY, None)
    return digest(known, header, numbers) == seal


def not_finite(data: bytes) -> tuple[int, ...]:
    """Return the layers of a vector file that hold a number which is not finite."""
    entries, numbers = _split(data)
    return tuple(layer for layer, chunk in _chunks(entries, numbers) if _holds_not_finite(chunk))


def digest(known: dict[str, object], header: dict[str, object], numbers: bytes) -> str:
    """Return the SHA-256, in hex, of the metadata and of every layer's index and numbers.

    The order in which a file holds either makes no difference.

    Args:
        known: The metadata without its seal.
        header: The file's header, which says where each layer lies.
        numbers: What follows the header.
    """
    found = hashlib.sha256(json.dumps(known, sort_keys=True, separators=(",", ":")).encode())
    for layer, chunk in _chunks(header, numbers):
        found.update(f"\n{TENSOR_PREFIX}{layer}\n".encode())
        found.update(chunk)
    return found.hexdigest()


def _split(data: bytes) -> tuple[dict[str, object], bytes]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 + length:
        raise LibraryError("is cut short")
    return parse_header(data[8 : 8 + length]), data[8 + length :]


def _chunks(header: dict[str, object], numbers: bytes) -> list[tuple[int, bytes]]:
    """Return each layer's bytes, ascending by layer."""
    found: list[tuple[int, bytes]] = []
    for name, entry in header.items():
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if name.startswith(TENSOR_PREFIX) and isinstance(offsets, list):
            begin, end = offsets
            found.append((int(name.removeprefix(TENSOR_PREFIX)), numbers[begin:end]))
    return sorted(found)


def _holds_not_finite(chunk: bytes) -> bool:
    """Say whether little-endian float32 numbers hold an infinity or NaN: those whose exponent bits are all set."""
    high = chunk[3::4]
    if b"\x7f" not in high and b"\xff" not in high:
        return False
    return any(byte & 0x7F == 0x7F and low & 0x80 for byte, low in zip(high, chunk[2::4], strict=True))
