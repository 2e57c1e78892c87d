"""Files made to cost memory or time: each is small enough to be read at all, and asks for far more than it is."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from steer_tui.library.formats.jsontext import MAX_FILE as MAX_JSON
from steer_tui.library.formats.jsontext import MAX_NUMBERS
from steer_tui.library.formats.limits import MAX_FILE
from tests.unit.foreign_files import control_vector, gguf, latents, members, pt, repacked, rows


def giants() -> dict[str, Callable[[], bytes]]:
    """Return makers of files by name."""
    return {
        "many-lists.json": lambda: b'{"layer_vectors": {"1": [' + b"[]," * ((MAX_JSON - 100) // 3) + b"[]]}}",
        "many-numbers.json": lambda: b'{"layer_vectors": {"1": [' + b"1," * ((MAX_JSON - 100) // 2) + b"1]}}",
        "many-floats.json": lambda: b'{"layer_vectors": {"1": [' + b"1e5," * (MAX_NUMBERS - 10) + b"1]}}",
        "many-texts.json": lambda: b'{"layer_vectors": {"1": [' + b'"a",' * ((MAX_JSON - 100) // 4) + b'"a"]}}',
        "long-number.json": lambda: b'{"layer_vectors": {"1": [' + b"9" * (MAX_JSON - 100) + b"]}}",
        "long-text.json": lambda: b'{"layer_vectors": "' + b"a" * (MAX_JSON - 100) + b'"}',
        "wide-text.json": lambda: b'{"layer_vectors": "' + b"a" * (MAX_JSON - 100) + "\U0001f600".encode() + b'"}',
        "deep.json": lambda: b'{"layer_vectors": ' + b"[" * 19_000,
        "deepest.json": lambda: b'{"layer_vectors": ' + b"[" * (MAX_JSON - 100),
        "blanks.json": lambda: b"{" + b" " * (MAX_JSON - 10) + b"}",
        "largest-model.json": lambda: latents({layer: torch.ones(16384) / 3 for layer in range(95)})[:MAX_JSON],
        "sparse.bin": lambda: bytes(MAX_FILE),
        "counts.gguf": lambda: gguf({}, counts=(2**63, 2**63)),
        "keys.gguf": lambda: (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 4096) + (struct.pack("<Q", 2**18) + b"k" * 2**18) * 150
        ),
        "array.gguf": lambda: b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 10, 2**60),
        "overlapping.gguf": _overlapping,
        "wide.gguf": lambda: control_vector({1: torch.ones(2**20)}, (4, 1)),
        "too-wide.gguf": lambda: control_vector({1: torch.ones(2**20 + 1)}, (4, 1)),
        "bomb.pt": _bomb,
        "entries.pt": _entries,
        "instructions.pt": lambda: _with_pickle(b"\x80\x02" + b"]0" * 60_000 + b"."),
        "long-pickle.pt": lambda: _with_pickle(b"\x80\x02" + b"]0" * 5_000_000 + b"."),
        "nested.pt": lambda: _with_pickle(b"\x80\x02" + b"]" * 30_000 + b"a" * 29_999 + b"."),
        "huge-tensor.pt": _huge_tensor,
        "expanded.pt": lambda: pt({1: torch.ones(1).expand(2**40)}),
        "expanded-often.pt": lambda: pt(dict.fromkeys(range(1000), torch.ones(2**18))),
        "program.pt": lambda: _with_pickle(pickle.dumps(Bomb(), 2)),
        "old.pt": _old,
        "header.safetensors": lambda: struct.pack("<Q", 2**62) + b"{" + bytes(100),
        "long-header.safetensors": lambda: struct.pack("<Q", MAX_FILE - 100) + b"{" + b" " * (MAX_FILE - 101),
        "many-tensors.safetensors": _many_tensors,
    }


class Bomb:
    """Would make a folder when loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.mkdir, ("/tmp/steer-tui-was-here",)


def _overlapping() -> bytes:
    """Return a control vector whose thousand tensors are one and the same megabyte."""
    text = b"".join(
        struct.pack("<Q", len(name)) + name + struct.pack("<IQIQ", 1, 2**20, 0, 0)
        for name in (f"direction.{layer}".encode() for layer in range(1, 1025))
    )
    plain = gguf({})
    return plain[:8] + struct.pack("<Q", 1024) + plain[16 : len(plain.rstrip(b"\0"))] + text + bytes(2**22 + 64)


def _with_pickle(data: bytes) -> bytes:
    return repacked({**members(pt(rows())), "archive/data.pkl": data})


def _bomb() -> bytes:
    """Return an archive that unpacks to a thousand times its size."""
    plain = members(pt(rows()))
    return repacked(plain | {"archive/data/0": bytes(1 << 26)}, zipfile.ZIP_DEFLATED)


def _entries() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(5_000):
            archive.writestr(f"archive/{number}", b"")
    return file.getvalue()


def _huge_tensor() -> bytes:
    """Return an archive whose pickle gives a tensor of 16 numbers a size of 4 billion."""
    plain = members(pt({1: torch.ones(16)}))
    plain["archive/data.pkl"] = plain["archive/data.pkl"].replace(b"K\x10", b"J\xff\xff\xff\x7f")
    return repacked(plain)


def _old() -> bytes:
    file = io.BytesIO()
    torch.save(rows(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def _many_tensors() -> bytes:
    header = {f"layer{number}.v": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(15_000)}
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw
