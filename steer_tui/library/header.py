"""Reads what a vector file says of itself, without its numbers and without torch.

Promises to read a bounded number of bytes, to wait for nothing, and to answer any bytes with metadata or LibraryError.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError

METADATA_KEY = "steer_tui"
SEAL_KEY = "sha256"
"""Entry of the metadata that `seal` makes; it says nothing of the vector, and stays out of its metadata."""
TENSOR_PREFIX = "block_out."
MAX_HEADER = 1 << 20
"""Bytes; a vector of 200 layers needs a tenth of it."""
MAX_FILE = 1 << 30
MAX_WIDTH = 1 << 20
_FIRST_READ = 1 << 14
"""Bytes; holds most headers, so that most files take one read."""


@dataclass(frozen=True, slots=True)
class VectorHeader:
    """What a vector file says of itself."""

    meta: VectorMeta
    layers: tuple[int, ...]
    """Block indices it holds a direction for, ascending."""
    size_bytes: int
    seal: str = ""
    """Digest of the contents as they were saved; empty where the file holds none."""


def read_header(path: Path) -> VectorHeader:
    """Return the header of the vector file at `path`.

    Raises:
        LibraryError: It is not a vector file of ours, or damaged; the message says how.
    """
    try:
        descriptor, size = _open(path)
        try:
            first = os.read(descriptor, _FIRST_READ)
            length = _header_length(first[:8], size)
            while len(first) < 8 + length and (more := os.read(descriptor, 8 + length - len(first))):
                first += more
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LibraryError(f"cannot be read: {error.strerror or 'unknown reason'}") from error
    raw = first[8 : 8 + length]
    if len(raw) != length:
        raise LibraryError("is cut short")
    return _describe(raw, size)


def read_file(path: Path) -> bytes:
    """Return the whole file at `path`.

    Raises:
        LibraryError: It cannot be read, is no regular file, or is too large for a vector.
    """
    try:
        descriptor, _ = _open(path)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        raise LibraryError(f"cannot be read: {error.strerror or 'unknown reason'}") from error


def header_of(data: bytes) -> VectorHeader:
    """Return the header of a vector file, given all its bytes.

    Raises:
        LibraryError: As `read_header`.
    """
    return _describe(data[8 : 8 + _header_length(data[:8], len(data))], len(data))


def _open(path: Path) -> tuple[int, int]:
    """Open a regular file of a size that a vector may have; return its descriptor and size."""
    # O_NONBLOCK: a pipe with this name would otherwise be waited for.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise LibraryError("is not a regular file")
        if status.st_size > MAX_FILE:
            raise LibraryError(f"is larger than {MAX_FILE >> 20} MiB")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status.st_size


def _header_length(first: bytes, size: int) -> int:
    if size < 8 or len(first) < 8:
        raise LibraryError("is cut short" if size else "is empty")
    length = int.from_bytes(first, "little")
    if length > size - 8:
        raise LibraryError("is cut short, or no safetensors file")
    if length > MAX_HEADER:
        raise LibraryError(f"has a header of {length} bytes, more than a vector can need")
    return length


def _describe(raw: bytes, size: int) -> VectorHeader:
    """Return what a header says, given the file's size."""
    entries = parse_header(raw)
    metadata = entries.pop("__metadata__", {})
    layers = _check_tensors(entries, size - 8 - len(raw))
    text = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise LibraryError("holds no steer_tui entry, so it is no vector of this library", hint="import it instead")
    known = _parse_object(text.encode(errors="replace"), "its steer_tui entry")
    seal = known.pop(SEAL_KEY, "")
    meta = VectorMeta.from_json(known)
    _check_agreement(meta, layers)
    return VectorHeader(meta, tuple(layers), size, seal if isinstance(seal, str) else "")


def parse_header(raw: bytes) -> dict[str, object]:
    """Return the object that a safetensors header is.

    Raises:
        LibraryError: It is none.
    """
    return _parse_object(raw, "its header")


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _parse_object(raw: bytes, what: str) -> dict[str, object]:
    try:
        value = _DECODER.decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"is damaged: {what} is not valid JSON") from error
    if not isinstance(value, dict):
        raise LibraryError(f"is damaged: {what} is not an object")
    return value


def _check_tensors(entries: dict[str, object], data_bytes: int) -> dict[int, int]:
    """Return layer -> width, after making sure that the tensors fill the file's data exactly."""
    layers: dict[int, int] = {}
    spans: list[tuple[int, int]] = []
    for name, entry in entries.items():
        index = name.removeprefix(TENSOR_PREFIX) if name.startswith(TENSOR_PREFIX) else ""
        if not (index.isascii() and index.isdecimal()) or index != str(int(index[:4])):
            raise LibraryError("holds a tensor that is not block_out.<layer>", hint="import it instead")
        width, span = _check_tensor(entry)
        layers[int(index)] = width
        spans.append(span)
    if not layers:
        raise LibraryError("holds no direction")
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise LibraryError("is damaged: its tensors overlap or leave gaps")
        end = stop
    if end != data_bytes:
        raise LibraryError("is cut short" if end > data_bytes else "is damaged: it goes on after its last tensor")
    if len(set(layers.values())) > 1:
        raise LibraryError("is damaged: its layers differ in width")
    return dict(sorted(layers.items()))


def _check_tensor(entry: object) -> tuple[int, tuple[int, int]]:
    """Return a tensor's width and its span in the data."""
    if not isinstance(entry, dict):
        raise LibraryError("is damaged: a tensor is not described")
    if entry.get("dtype") != "F32":
        raise LibraryError("holds numbers that are not float32")
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if type(shape) is list and len(shape) == 1 and type(offsets) is list and len(offsets) == 2:
        width, (begin, end) = shape[0], offsets
        if type(width) is type(begin) is type(end) is int and 0 < width <= MAX_WIDTH and begin >= 0:
            if end - begin != 4 * width:
                raise LibraryError("is damaged: a tensor's shape and length disagree")
            return width, (begin, end)
    raise LibraryError("is damaged: a tensor has no shape [width]")


def _check_agreement(meta: VectorMeta, layers: dict[int, int]) -> None:
    """Make sure that metadata and tensors speak of the same vector."""
    width = next(iter(layers.values()))
    if width != meta.model["width"]:
        raise LibraryError(f"contradicts itself: width {width}, but made for width {meta.model['width']}")
    if max(layers) >= meta.model["layers"]:
        raise LibraryError(f"contradicts itself: layer {max(layers)} of {meta.model['layers']} layers")
    missing = sorted(set(meta.best_layers) - set(layers))
    if missing:
        raise LibraryError(f"contradicts itself: it recommends layer {missing[0]}, which it does not hold")
