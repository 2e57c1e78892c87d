"""IBM's `.svec`: version 1 of activation-steering, version 2 of AISteer360 with one direction for each layer (K = 1).

Layer L is the block whose output was read; IBM's program adds to the INPUT of block L. The vector is kept where it was
read. A JSON file, numbers written so that float32 is exact.
"""

from __future__ import annotations

import json

from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import LibraryError
from steer_tui.library.formats.draft import Asked, Draft
from steer_tui.library.formats.embedded import KEY, extract_meta
from steer_tui.library.formats.jsontext import read_rows
from steer_tui.library.formats.limits import ForeignFile, shown


def is_svec(value: dict[str, object]) -> bool:
    """Say whether a JSON object looks like an `.svec`."""
    return "directions" in value


def read_svec(file: ForeignFile, value: dict[str, object], asked: Asked) -> list[Draft]:
    """Return the vector in an `.svec`.

    Raises:
        LibraryError: It is damaged, or holds directions of heads, planes or positions.
    """
    if value.get("num_heads") is not None or value.get("probe_accuracies") is not None:
        raise LibraryError(
            "holds directions of attention heads", hint="only directions of the residual stream can be steered with"
        )
    rows = read_rows(value["directions"], "directions")
    kind = value.get("model_type", "")
    if not isinstance(kind, str):
        raise LibraryError(f"has a model_type that is no text: {shown(kind)}")
    known = value.get("meta")
    meta = extract_meta(known.get(KEY)) if isinstance(known, dict) else None
    draft = Draft(file.stem, rows, "aisteer360" if known else "ibm", 0, kind, meta=meta)
    if meta is not None:
        draft.producer = "steer-tui"
    elif asked.offset_of(draft) == 0:
        draft.notes.append(
            "kept where it was read, the output of block L; IBM's program adds it to the input of block L"
        )
    return [draft]


def write_svec(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return an `.svec` that both of IBM's programs read, the blocks in it, and notes."""
    value = {
        "model_type": vector.meta.model["type"],
        "directions": {str(layer): row.tolist() for layer, row in vector.layers.items()},
        "explained_variances": {str(layer): 0.0 for layer in vector.layers},
        "meta": {KEY: vector.meta.to_json()},
    }
    notes = ["IBM's program adds direction L to the input of block L, one block before this one does"]
    return json.dumps(value, allow_nan=False).encode(), tuple(vector.layers), notes
