"""lm-evaluation-harness's `steered` model: {path: {"steering_vector", "steering_coefficient", "action", "bias"}}.

Its hooks keep the last of several added vectors only (they share one loop variable), so one block is written. Paths are
relative to the model's `base_model`.
"""

from __future__ import annotations

import math
import re

from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import LibraryError
from steer_tui.library.formats.draft import Draft
from steer_tui.library.formats.limits import ForeignFile, check_layer, shown
from steer_tui.library.formats.single import chosen_layer
from steer_tui.library.formats.torcharchive import save_archive

_VECTOR, _STRENGTH, _ACTION, _BIAS = "steering_vector", "steering_coefficient", "action", "bias"
_PATH = re.compile(r"(?:[a-z_]+\.)*(?:layers|h|blocks)\.(\d{1,4})", re.ASCII)
_PATHS = {
    "h": ("bloom", "codegen", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gptj"),
    "decoder.layers": ("opt", "biogpt"),
    "blocks": ("mpt",),
}
"""Where a model type keeps its blocks below `base_model`; `layers` for all others."""


def is_lm_eval(value: dict[object, object]) -> bool:
    """Say whether a dictionary looks like a steering configuration of the harness."""
    return bool(value) and all(isinstance(entry, dict) and _VECTOR in entry for entry in value.values())


def read_lm_eval(file: ForeignFile, value: dict[object, object]) -> list[Draft]:
    """Return the vector in a steering configuration, its coefficients multiplied in.

    Raises:
        LibraryError: It clamps, acts elsewhere than at block outputs, or is damaged.
    """
    rows: dict[int, Tensor] = {}
    notes: list[str] = []
    for path, entry in value.items():
        match = _PATH.fullmatch(path) if isinstance(path, str) else None
        if match is None:
            raise LibraryError(f"acts at {shown(path)}, not at the output of a block")
        layer, row = check_layer(match[1]), _row(entry)
        if layer in rows:
            raise LibraryError(f"names layer {layer} twice")
        rows[layer] = row
    if len(rows) > 1:
        notes.append("the harness itself adds the last of these directions at every one of these blocks")
    return [Draft(file.stem, rows, "lm-eval", notes=notes)]


def _row(entry: object) -> Tensor:
    assert isinstance(entry, dict)
    row, strength = entry[_VECTOR], entry.get(_STRENGTH, 1.0)
    if entry.get(_ACTION) != "add" or entry.get(_BIAS) is not None:
        raise LibraryError(f"does {shown(entry.get(_ACTION))}, not a plain add")
    if not isinstance(strength, int | float) or isinstance(strength, bool) or not math.isfinite(strength):
        raise LibraryError("has a coefficient that is no number")
    if not isinstance(row, Tensor) or row.ndim != 1 or not row.dtype.is_floating_point:
        raise LibraryError("holds no plain direction")
    return row if strength == 1.0 else row * strength


def write_lm_eval(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return a steering configuration for one block, that block, and notes."""
    layer, notes = chosen_layer(vector)
    kind = vector.meta.model["type"]
    prefix = next((path for path, kinds in _PATHS.items() if kind in kinds), "layers")
    entry = {_VECTOR: vector.layers[layer], _STRENGTH: 1.0, _ACTION: "add", _BIAS: None}
    notes.append(f"acts at {prefix}.{layer}: lm_eval --model steered --model_args pretrained=...,steer_path=FILE")
    return save_archive({f"{prefix}.{layer}": entry}), (layer,), notes
