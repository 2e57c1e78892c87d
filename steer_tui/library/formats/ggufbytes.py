"""The GGUF container, as far as a control vector needs it: small values by key, and one-dimensional float tensors.

An own reader, since the `gguf` package maps the file and trusts its counts, and is an extra of this program: here every
count, length and offset is held against the bytes that are there before anything is allocated, and against what a
vector can need. Little-endian, versions 2 and 3. Knows nothing of layers or producers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from steer_tui.errors import LibraryError
from steer_tui.library.formats.limits import MAX_LAYERS, shown

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32
MAX_KEYS = 4096
MAX_TEXT = 1 << 18
"""Bytes of a text."""
MAX_ARRAY = 1 << 16
"""Bytes of an array, which is passed over."""

Value = str | int | float | bool | None

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""GGUF's numbers of its scalar types."""
_DTYPES = {0: torch.float32, 1: torch.float16, 28: torch.float64, 30: torch.bfloat16}
"""GGML's numbers of the types that are plain floats."""


@dataclass(frozen=True, slots=True)
class Gguf:
    """What a file holds."""

    values: dict[str, Value]
    """Arrays are None."""
    types: dict[str, int]
    """Key -> GGUF's number of the value's type."""
    tensors: dict[str, Tensor]
    """Each (D,), in the file's float dtype."""


class _Cursor:
    """Walks over bytes and never past their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise LibraryError("is cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, layout: str) -> int:
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout)))
        return int(value)

    def text(self, limit: int = MAX_TEXT) -> str:
        length = self.number("<Q")
        if length > limit:
            raise LibraryError(f"is damaged: a text in it claims {length} bytes")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError as error:
            raise LibraryError("is damaged: a text in it is not UTF-8") from error


def parse_gguf(data: bytes) -> Gguf:
    """Return what a file holds.

    Raises:
        LibraryError: It is damaged, or no file of small float tensors; the message says how.
    """
    cursor = _Cursor(data)
    if cursor.take(4) != MAGIC:
        raise LibraryError("is no GGUF file")
    version = cursor.number("<I")
    if version not in VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        raise LibraryError("is big-endian GGUF" if swapped in VERSIONS else f"is GGUF of version {version}")
    tensor_count, key_count = cursor.number("<Q"), cursor.number("<Q")
    if tensor_count > MAX_LAYERS or key_count > MAX_KEYS:
        what = f"{tensor_count} tensors" if tensor_count > MAX_LAYERS else f"{key_count} keys"
        raise LibraryError(f"claims {what}, more than a vector can need", hint="is it a model?")
    values, types = _read_values(cursor, key_count)
    return Gguf(values, types, _read_tensors(cursor, tensor_count, _alignment(values)))


def _read_values(cursor: _Cursor, count: int) -> tuple[dict[str, Value], dict[str, int]]:
    values: dict[str, Value] = {}
    types: dict[str, int] = {}
    for _ in range(count):
        key, kind = cursor.text(), cursor.number("<I")
        if key in values:
            raise LibraryError(f"is damaged: it holds the key {shown(key)} twice")
        types[key] = kind
        values[key] = _read_value(cursor, kind)
    return values, types


def _read_value(cursor: _Cursor, kind: int) -> Value:
    if kind in _SCALARS:
        layout = _SCALARS[kind]
        value: int | float | bool
        (value,) = struct.unpack(layout, cursor.take(struct.calcsize(layout)))
        return value
    if kind == _STRING:
        return cursor.text()
    if kind == _ARRAY:
        _skip_array(cursor)
        return None
    raise LibraryError(f"is damaged: it holds a value of the unknown type {kind}")


def _skip_array(cursor: _Cursor) -> None:
    kind, count = cursor.number("<I"), cursor.number("<Q")
    size = struct.calcsize(_SCALARS[kind]) if kind in _SCALARS else 8
    if kind not in _SCALARS and kind != _STRING:
        raise LibraryError("is damaged: it holds an array of an unknown type")
    if count * size > MAX_ARRAY:
        raise LibraryError(f"holds an array of {count} values, more than a vector can need", hint="is it a model?")
    if kind != _STRING:
        cursor.take(count * size)
        return
    for _ in range(count):
        cursor.text()


def _alignment(values: Mapping[str, Value]) -> int:
    alignment = values.get("general.alignment", ALIGNMENT)
    if not isinstance(alignment, int) or not 8 <= alignment <= 4096 or alignment & (alignment - 1):
        raise LibraryError(f"is damaged: its alignment is {shown(alignment)}")
    return alignment


def _read_tensors(cursor: _Cursor, count: int, alignment: int) -> dict[str, Tensor]:
    found: dict[str, tuple[int, torch.dtype, int]] = {}
    for _ in range(count):
        name, dimensions = cursor.text(), cursor.number("<I")
        if name in found:
            raise LibraryError(f"is damaged: it holds the tensor {shown(name)} twice")
        if not 1 <= dimensions <= 4:
            raise LibraryError(f"is damaged: the tensor {shown(name)} has {dimensions} dimensions")
        sizes = [cursor.number("<Q") for _ in range(dimensions)]
        kind, offset = cursor.number("<I"), cursor.number("<Q")
        if sum(size != 1 for size in sizes[1:]):
            raise LibraryError(f"holds a tensor that is no direction: {shown(name)}")
        if kind not in _DTYPES:
            raise LibraryError(f"holds numbers that are not floats of 16 to 64 bits, in {shown(name)}")
        found[name] = sizes[0], _DTYPES[kind], offset
    if sum(size * dtype.itemsize for size, dtype, _ in found.values()) > len(cursor.data):
        raise LibraryError("is cut short, or damaged: its tensors claim more than it holds")
    start = -(-cursor.at // alignment) * alignment
    return {
        name: _tensor(cursor.data, name, start + offset, size, dtype) for name, (size, dtype, offset) in found.items()
    }


def _tensor(data: bytes, name: str, begin: int, size: int, dtype: torch.dtype) -> Tensor:
    end = begin + size * dtype.itemsize
    if not 0 < size <= len(data) or end > len(data):
        raise LibraryError(f"is cut short, or damaged: the tensor {shown(name)} lies beyond its end")
    return torch.frombuffer(bytearray(data[begin:end]), dtype=dtype)


def build_gguf(values: Mapping[str, str | int], tensors: Mapping[str, Tensor]) -> bytes:
    """Return a version 3 file.

    Args:
        values: Texts, and whole numbers that are written as uint32; `general.architecture` comes first.
        tensors: Name -> (D,) float32.
    """
    head = bytearray(MAGIC + struct.pack("<IQQ", 3, len(tensors), len(values)))
    for key, value in values.items():
        head += _text(key)
        head += struct.pack("<I", _STRING) + _text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
    body = bytearray()
    for name, tensor in tensors.items():
        head += _text(name) + struct.pack("<IQIQ", 1, tensor.shape[0], 0, len(body))
        body += tensor.contiguous().numpy().astype("<f4").tobytes()
        body += bytes(-len(body) % ALIGNMENT)
    return bytes(head + bytes(-len(head) % ALIGNMENT) + body)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data
