"""This program's own vector files, from another library: tensors `block_out.<layer>` and the `steer_tui` entry."""

from __future__ import annotations

import re

from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError
from steer_tui.library.formats.draft import Draft
from steer_tui.library.formats.embedded import MAX_TEXT, embed
from steer_tui.library.formats.jsontext import parse_json
from steer_tui.library.formats.limits import ForeignFile, check_layer, shown
from steer_tui.library.header import METADATA_KEY, TENSOR_PREFIX
from steer_tui.library.names import is_name

_TENSOR = re.compile(re.escape(TENSOR_PREFIX) + r"(\d{1,4})", re.ASCII)


def read_own(file: ForeignFile, metadata: dict[str, str], tensors: dict[str, Tensor]) -> list[Draft]:
    """Return the vector in one of this program's files; a vector's name is its file's name.

    Raises:
        LibraryError: Its metadata is damaged, or it holds other tensors too.
    """
    text = metadata[METADATA_KEY]
    if len(text) > MAX_TEXT:
        raise LibraryError("holds more metadata than a vector can need")
    meta = VectorMeta.from_json(parse_json(text.encode(errors="replace")))
    rows: dict[int, Tensor] = {}
    for key, tensor in tensors.items():
        match = _TENSOR.fullmatch(key)
        if match is None:
            raise LibraryError(f"holds a tensor that is not {TENSOR_PREFIX}<layer>: {shown(key)}")
        rows[check_layer(match[1])] = tensor
    name = file.stem if is_name(file.stem) else meta.name
    return [Draft(name, rows, "steer-tui", meta=meta)]


def write_own(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return one of this program's files, the blocks in it, and notes."""
    from safetensors.torch import save

    tensors = {f"{TENSOR_PREFIX}{layer}": row for layer, row in vector.layers.items()}
    return save(tensors, {METADATA_KEY: embed(vector)}), tuple(vector.layers), []
