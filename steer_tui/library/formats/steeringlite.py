"""steering-lite's safetensors: tensors `layer<L>.v`, and its configuration as JSON in the metadata entry `cfg`.

L is the 0-based block whose output is read and added to. Other tensors than `v` are of methods that do more than add.
"""

from __future__ import annotations

import json
import re

from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import LibraryError
from steer_tui.library.formats.draft import Draft
from steer_tui.library.formats.embedded import KEY, MAX_TEXT, embed, extract_meta
from steer_tui.library.formats.jsontext import parse_json
from steer_tui.library.formats.limits import ForeignFile, check_layer, shown
from steer_tui.text import one_line

CONFIG = "cfg"
_EMBEDDED = f"{KEY}_vector"
_TENSOR = re.compile(r"layer(\d{1,4})\.(.{1,60})", re.ASCII | re.DOTALL)
_ADDING = ("mean_diff", "pca", "random", "mean_vjp")
"""Methods that add `coeff * v` and nothing else."""


def read_steering_lite(file: ForeignFile, metadata: dict[str, str], tensors: dict[str, Tensor]) -> list[Draft]:
    """Return the vector in a steering-lite file, its coefficient left out.

    Raises:
        LibraryError: It acts elsewhere than at block outputs, holds more than directions, or is damaged.
    """
    if len(metadata[CONFIG]) > MAX_TEXT:
        raise LibraryError("holds more metadata than a vector can need")
    config = parse_json(metadata[CONFIG].encode(errors="replace"))
    site = config.get("target_submodule") or config.get("target", "residual")
    if site != "residual":
        raise LibraryError(f"acts at {shown(site)}, not at the output of a block")
    rows: dict[int, Tensor] = {}
    for key, tensor in tensors.items():
        match = _TENSOR.fullmatch(key)
        if match is None or match[2] != "v":
            raise LibraryError(f"holds a tensor that is no direction: {shown(key)}")
        rows[check_layer(match[1])] = tensor
    method, strength = config.get("method"), config.get("coeff", 1.0)
    meta = extract_meta(metadata.get(_EMBEDDED))
    draft = Draft(file.stem, rows, "steering-lite" if meta is None else "steer-tui", meta=meta)
    if isinstance(method, str):
        draft.method = one_line(method)
        if method not in _ADDING:
            draft.notes.append(f"its method {shown(method)} does more than add; the direction alone was taken")
    if isinstance(strength, int | float) and strength != 1:
        draft.notes.append(f"steering-lite adds it {strength:.4g} times: that is strength {strength:.4g} here")
    return [draft]


def write_steering_lite(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return a file that steering-lite reads as a mean difference, the blocks in it, and notes."""
    from safetensors.torch import save

    layers = tuple(vector.layers)
    config = {
        "method": "mean_diff",
        "layers": list(layers),
        "target": "residual",
        "target_submodule": None,
        "coeff": 1.0,
        "dtype": "float32",
        "seed": 0,
        "normalize": False,
        "subtract_corpus_mean": False,
    }
    tensors = {f"layer{layer}.v": row for layer, row in vector.layers.items()}
    return save(tensors, {CONFIG: json.dumps(config), _EMBEDDED: embed(vector)}), layers, []
