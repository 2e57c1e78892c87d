"""EasySteer's steering request: a JSON specification with the vectors in it, for `"steering"` of a chat request or
`--steering-config`.

Payloads go in as `easysteer.vectors.to_json_payload` writes them: kind `direction`, tensors in base64, their digest.
add is its algorithm `direct`, keepnorm is `direct` with normalize, a whole ablation is `erase`; it has no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from steer_tui.engine.recipe import Recipe, Term
from steer_tui.engine.scope import Scope
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import UsageError
from steer_tui.library.formats.flatten import resolved

_WIRE_VERSION = 1
_ALGORITHMS = {"add": ("direct", False), "keepnorm": ("direct", True), "ablate": ("erase", False)}


def write_easysteer(recipe: Recipe, vectors: Mapping[str, SteeringVector]) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return a request for a recipe, the blocks it acts on, and notes.

    Raises:
        UsageError: EasySteer cannot do what a term says.
        RecipeError, ShapeMismatch: As `flatten.resolved`.
    """
    terms = resolved(recipe, vectors)
    specs = [_spec(active.term, {layer: at.raw for layer, at in active.vectors.items()}) for active in terms]
    request = {"vectors": specs, "conflict": "sequential", "debug": False}
    layers = sorted({layer for active in terms for layer in active.layers})
    names = sorted({spec["algorithm"] for spec in specs})
    notes = [f"start the server with --enable-steer-vector --steer-algorithms {' '.join(names)}"]
    if len(specs) > 1:
        notes.append("several vectors need --steer-multi-vector too")
    return json.dumps(request, allow_nan=False).encode(), tuple(layers), notes


def _spec(term: Term, rows: dict[int, Tensor]) -> dict[str, Any]:
    if term.gate is not None:
        raise UsageError(f"{term} has a gate, which EasySteer has not", hint="export it without")
    if term.op not in _ALGORITHMS or (term.op == "ablate" and term.strength != 1):
        raise UsageError(
            f"EasySteer cannot do the operation of {term}", hint="it adds, adds keeping the norm, and ablates wholly"
        )
    algorithm, keeps_norm = _ALGORITHMS[term.op]
    return {
        "data": _payload(rows),
        "algorithm": algorithm,
        "scale": term.strength,
        "layers": sorted(rows),
        "normalize": keeps_norm,
        "params": {},
        "name": term.name,
        "apply": _apply(term.scope),
    }


def _apply(scope: Scope) -> dict[str, object]:
    """Return EasySteer's clause for a scope.

    Raises:
        UsageError: Positions are counted across prompt and answer, which its clauses part.
    """
    clauses: dict[str, dict[str, object]] = {
        "all": {"prompt": "all", "generation": "all"},
        "prompt": {"prompt": "all"},
        "generated": {"generation": "all"},
        "last": {"prompt_positions": [-1]},
    }
    if scope.kind not in clauses:
        raise UsageError(
            f"EasySteer counts prompt and answer apart, the scope {scope} together",
            hint="use all, prompt, generated, last",
        )
    return clauses[scope.kind]


def _payload(rows: dict[int, Tensor]) -> dict[str, object]:
    """Return directions as EasySteer's wire form, its digest over names, shapes and bytes in order of the names."""
    data = {f"layer.{layer}": row.contiguous().numpy().astype("<f4") for layer, row in rows.items()}
    digest = hashlib.sha256(f"direction:{_WIRE_VERSION}".encode())
    tensors: dict[str, object] = {}
    for name in sorted(data):
        raw = data[name].tobytes()
        digest.update(name.encode() + str(data[name].shape).encode() + raw)
        tensors[name] = {"shape": list(data[name].shape), "data": base64.b64encode(raw).decode()}
    return {
        "version": _WIRE_VERSION,
        "kind": "direction",
        "tensors": tensors,
        "extra": {},
        "sha256": digest.hexdigest(),
    }
