"""`.pt` files: who wrote one is told from what it holds; layer dictionaries are read here.

steering-vectors keeps {block: (D,)} as `layer_activations`, added at the output of the module its layer type names.
"""

from __future__ import annotations

from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import LibraryError
from steer_tui.library.formats.baretensor import read_tensor
from steer_tui.library.formats.draft import Asked, Draft
from steer_tui.library.formats.limits import ForeignFile, check_count, check_layer, shown
from steer_tui.library.formats.lmeval import is_lm_eval, read_lm_eval
from steer_tui.library.formats.torcharchive import load_archive, save_archive

_LAYERS = "layer_activations"
_TYPE = "layer_type"


def read_pt(file: ForeignFile, asked: Asked) -> list[Draft]:
    """Return the vectors in a `.pt` file.

    Raises:
        LibraryError: It is damaged, needs code to load, or holds something else.
    """
    loaded = load_archive(file.data)
    if isinstance(loaded, Tensor):
        return read_tensor(file, loaded, asked)
    if not isinstance(loaded, dict):
        raise LibraryError(f"holds a {type(loaded).__name__}, neither a tensor nor a dictionary by layer")
    if is_lm_eval(loaded):
        return read_lm_eval(file, loaded)
    return read_layers(file, loaded)


def read_layers(file: ForeignFile, loaded: dict[object, object]) -> list[Draft]:
    """Return the vector in a dictionary by block, or in the dictionary form of a steering-vectors object."""
    rows: object = loaded
    if _LAYERS in loaded:
        kind = loaded.get(_TYPE, "decoder_block")
        if kind != "decoder_block":
            raise LibraryError(
                f"acts at {shown(kind)}, not at the output of a block", hint="only block outputs can be steered here"
            )
        rows = loaded[_LAYERS]
    if not isinstance(rows, dict):
        raise LibraryError("holds no dictionary by layer")
    check_count(len(rows))
    found: dict[int, Tensor] = {}
    for key, row in rows.items():
        layer = check_layer(key)
        if layer in found:
            raise LibraryError(f"names layer {layer} twice")
        if not isinstance(row, Tensor):
            raise LibraryError(f"holds no tensor for layer {layer}")
        found[layer] = row.reshape(-1) if row.ndim == 2 and row.shape[0] == 1 else row
    return [Draft(file.stem, found, "steering-vectors")]


def write_layers(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return the layer dictionary of a steering-vectors object, the blocks in it, and notes."""
    notes = ["read it with SteeringVector(torch.load(file, weights_only=True))"]
    return save_archive(dict(vector.layers)), tuple(vector.layers), notes
