"""What `torch.save` wrote, read so that nothing in it runs: plain tensors in dictionaries and lists.

The archive is held against its bounds and its pickle's instructions against a short list before `torch.load` with
weights_only sees it: weights_only alone would inflate a compressed archive and let a few bytes ask for any amount of
memory. Knows nothing of what the tensors mean.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile

import torch
from torch import Tensor

from steer_tui.errors import LibraryError
from steer_tui.library.formats.limits import shown

MAGIC = b"PK\x03\x04"
MAX_ENTRIES = 4096
MAX_PICKLE = 1 << 17
"""Bytes; 126 tensors in a dictionary take 16 KiB."""
MAX_INSTRUCTIONS = 60_000
MAX_TENSORS = 1024

_STORAGES = ("FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage")
_OTHER_STORAGES = ("LongStorage", "IntStorage", "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage")
_HARMLESS = {
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "collections OrderedDict",
    *(f"torch {name}" for name in (*_STORAGES, *_OTHER_STORAGES)),
}
_INSTRUCTIONS = {
    *("PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"),
    *("BININT", "BININT1", "BININT2", "LONG1", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE"),
    *("EMPTY_DICT", "EMPTY_LIST", "APPEND", "APPENDS", "SETITEM", "SETITEMS"),
    *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "GLOBAL", "BINPERSID", "REDUCE"),
}
"""What `torch.save` writes for tensors in dictionaries and lists; whatever builds other objects is not among it."""
_REMEDY = "load it where you trust it, and save the plain tensors: torch.save({layer: tensor, ...}, 'plain.pt')"

Saved = object
"""A Tensor, a dict, list or tuple of such, or a plain value."""


def load_archive(data: bytes) -> Saved:
    """Return what a `.pt` file holds: tensors, numbers and texts, in dictionaries, lists and tuples.

    Raises:
        LibraryError: It is damaged, or needs more than plain tensors to load; nothing of it was run.
    """
    sizes = _check_archive(data)
    try:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything at all for a damaged archive
        raise LibraryError("is damaged: torch cannot read it") from error
    try:
        _check_tensors(loaded, sizes)
    except RecursionError as error:
        raise LibraryError("holds lists in lists without end") from error
    return loaded


def _check_archive(data: bytes) -> list[int]:
    """Return the sizes of the tensors' data in bytes, after making sure that the archive is small and plain."""
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise LibraryError("is an archive of more files than a vector can need")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
            if len(pickles) != 1 or pickles[0].filename.count("/") != 1:
                raise LibraryError("is an archive, but none that torch.save wrote")
            folder = pickles[0].filename.removesuffix("data.pkl")
            _check_entries(entries, folder, len(data))
            if pickles[0].file_size > MAX_PICKLE:
                raise LibraryError("holds more objects than a vector can need")
            _check_pickle(archive.read(pickles[0]))
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError, KeyError, struct.error) as error:
        raise LibraryError("is damaged: its archive cannot be read") from error
    return [entry.file_size for entry in entries if entry.filename.startswith(f"{folder}data/")]


def _check_entries(entries: list[zipfile.ZipInfo], folder: str, length: int) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise LibraryError("is damaged: its archive holds a file twice")
    for entry in entries:
        if not entry.filename.startswith(folder) or ".." in entry.filename or entry.flag_bits & 1:
            raise LibraryError(f"holds a file that torch.save does not write: {shown(entry.filename)}")
        if entry.filename.startswith((f"{folder}code/", f"{folder}constants")):
            raise LibraryError("is a TorchScript program, not a tensor", hint=_REMEDY)
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise LibraryError("is a compressed archive, which torch.save does not write")
    if sum(entry.file_size for entry in entries) > length:
        raise LibraryError("is damaged: its archive claims more than it holds")


def _check_pickle(data: bytes) -> None:
    """Refuse a pickle with instructions that plain tensors do not need; nothing of it is run."""
    for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
        if count > MAX_INSTRUCTIONS:
            raise LibraryError("holds more objects than a vector can need")
        if instruction.name == "GLOBAL" and argument not in _HARMLESS:
            raise _needs(str(argument))
        if instruction.name not in _INSTRUCTIONS:
            raise LibraryError(f"needs the pickle instruction {instruction.name} to load", hint=_REMEDY)


def _needs(name: str) -> LibraryError:
    module = name.replace(" ", ".")
    if module.startswith("steering_vectors."):
        hint = "save its layer dictionary instead: torch.save(vector.layer_activations, 'plain.pt')"
    elif module.startswith("numpy"):
        hint = "save a tensor instead: torch.save(torch.from_numpy(array), 'plain.pt')"
    else:
        hint = _REMEDY
    return LibraryError(f"is a pickle that would run {shown(module, 60)} to load; nothing in it was run", hint=hint)


def _check_tensors(loaded: Saved, sizes: list[int]) -> None:
    """Make sure that no tensor is larger than its own data: older torch takes the pickle's word for it."""
    tensors: list[Tensor] = []
    _collect(loaded, tensors, set())
    if not tensors:
        raise LibraryError("holds no tensor")
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    room = sorted(sizes, reverse=True)
    claimed = sorted(storages.values(), reverse=True)
    is_outside = len(claimed) > len(room) or any(size > kept for size, kept in zip(claimed, room, strict=False))
    # Many tensors may share a storage, or repeat one number of it: together they must not outgrow it either.
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if is_outside or total > sum(room) or any(tensor.layout != torch.strided for tensor in tensors):
        raise LibraryError("is damaged: its tensors claim more than the file holds")


def _collect(value: Saved, found: list[Tensor], seen: set[int]) -> None:
    """Gather the tensors in a value that came from a file; its dictionaries and lists may hold one another."""
    if isinstance(value, Tensor):
        found.append(value)
        if len(found) > MAX_TENSORS:
            raise LibraryError("holds more tensors than a vector can need")
    elif isinstance(value, dict | list | tuple):
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, dict) and not all(isinstance(key, str | int) for key in value):
            raise LibraryError("holds a dictionary whose keys are neither names nor numbers")
        for entry in value.values() if isinstance(value, dict) else value:
            _collect(entry, found, seen)
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise LibraryError(f"holds an object of type {shown(type(value).__name__)}")


def save_archive(value: Saved) -> bytes:
    """Return what `torch.save` writes for tensors in dictionaries; the same value gives the same bytes."""
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()
