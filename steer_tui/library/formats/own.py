"""This program's own vector files, from another library: tensors `block_out.<layer>` and the `steer_tui` entry."""

from __future__ import annotations

from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import LibraryError
from steer_tui.library.formats.draft import Draft
from steer_tui.library.formats.embedded import MAX_TEXT
from steer_tui.library.formats.limits import ForeignFile
from steer_tui.library.header import METADATA_KEY, TENSOR_PREFIX, header_of
from steer_tui.library.names import is_name
from steer_tui.library.seal import is_as_sealed, with_metadata


def read_own(file: ForeignFile, metadata: dict[str, str], tensors: dict[str, Tensor]) -> list[Draft]:
    """Return the vector in one of this program's files; a vector's name is its file's name.

    Raises:
        LibraryError: It is damaged, or holds other tensors too.
    """
    if len(metadata[METADATA_KEY]) > MAX_TEXT:
        raise LibraryError("holds more metadata than a vector can need")
    header = header_of(file.data)
    if header.seal and not is_as_sealed(file.data, header.seal):
        raise LibraryError("is damaged: it is not what was saved")
    rows = {layer: tensors[f"{TENSOR_PREFIX}{layer}"] for layer in header.layers}
    return [Draft(file.stem if is_name(file.stem) else header.meta.name, rows, "steer-tui", meta=header.meta)]


def write_own(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return one of this program's files, the blocks in it, and notes."""
    from safetensors.torch import save

    numbers = save({f"{TENSOR_PREFIX}{layer}": row for layer, row in vector.layers.items()})
    return with_metadata(numbers, vector.meta), tuple(vector.layers), []
