"""The JSON of `latents` (temporal steering): `layer_vectors` by 0-based block, and free metadata.

Numbers are written so that float32 is exact.
"""

from __future__ import annotations

import json

from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.library.formats.draft import Asked, Draft
from steer_tui.library.formats.embedded import KEY, extract_meta
from steer_tui.library.formats.jsontext import read_rows
from steer_tui.library.formats.limits import MAX_LAYERS, ForeignFile


def is_latents(value: dict[str, object]) -> bool:
    """Say whether a JSON object looks like latents'."""
    return "layer_vectors" in value


def read_latents(file: ForeignFile, value: dict[str, object], asked: Asked) -> list[Draft]:
    """Return the vector in a latents file.

    Raises:
        LibraryError: It is damaged.
    """
    rows = read_rows(value["layer_vectors"], "layer_vectors")
    known = value.get("metadata")
    facts: dict[str, object] = known if isinstance(known, dict) else {}
    meta = extract_meta(facts.get(KEY))
    return [
        Draft(
            file.stem,
            rows,
            "latents" if meta is None else "steer-tui",
            model_id=_text(facts, "model"),
            model_layers=layers if isinstance(layers := facts.get("n_layers"), int) and 0 < layers < 9999 else 0,
            method=_method(_text(facts, "extraction_method")),
            description=_text(facts, "direction") or _text(facts, "dimension"),
            best=_recommended(facts.get("target_layers_recommended"), rows),
            meta=meta,
        )
    ]


def _text(facts: dict[str, object], key: str) -> str:
    value = facts.get(key)
    return value if isinstance(value, str) else ""


def _method(text: str) -> str:
    return "mean" if "(CAA)" in text else text or "imported"


def _recommended(value: object, rows: dict[int, Tensor]) -> tuple[int, ...]:
    """Return the layers that the file recommends and holds."""
    if not isinstance(value, list):
        return ()
    return tuple(layer for layer in rows if any(type(entry) is int and entry == layer for entry in value[:MAX_LAYERS]))


def write_latents(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return a file that latents reads, the blocks in it, and notes."""
    model = vector.meta.model
    value = {
        "layer_vectors": {str(layer): row.tolist() for layer, row in vector.layers.items()},
        "metadata": {
            "n_layers": model["layers"],
            "hidden_dim": model["width"],
            "model": model["id"],
            "extraction_method": vector.meta.method,
            "dimension": vector.name,
            KEY: vector.meta.to_json(),
        },
    }
    return json.dumps(value, allow_nan=False).encode(), tuple(vector.layers), []
