"""Vectors made from vectors of one model: weighted sums, opposites, parts at right angles to others; and cosines.

Promises that a result names its parents and says no more about itself than follows from them. The concept scale of a
result (`origin`) is 0 where each parent stands at the end that the result leads away from. Sums are taken in float64.
Knows nothing of files.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steer_tui.engine.recipe import format_number
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import ShapeMismatch, UsageError

NOTHING_LEFT = 1e-4
"""Share of a vector's length below which what is left of it is rounding."""

Weighted = tuple[SteeringVector, float]
Matrix = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class CosineMap:
    """Cosines between vectors, rows and columns in the order of `names`; None where it cannot be told."""

    names: tuple[str, ...]
    layers: tuple[int, ...]
    """Every layer that one of the vectors has, ascending."""
    by_layer: Mapping[int, Matrix]
    """None where one of the two lacks the layer, or is zero there."""
    mean: Matrix
    """Mean over the layers for which there is a cosine."""


def mix(name: str, terms: Sequence[Weighted]) -> SteeringVector:
    """Return the weighted sum of vectors, at the layers that all of them have.

    A negative weight takes the opposite of a vector, its two classes exchanged.

    Raises:
        UsageError: There is no term, a weight is not finite, the vectors are of different models or share no layer,
            or nothing is left at any layer.
    """
    if not terms:
        raise UsageError("a mix needs vectors", hint="such as happy:1 calm:-0.5")
    for vector, weight in terms:
        if not math.isfinite(weight):
            raise UsageError(f"{vector.name} has a weight that is no number")
    vectors = [vector for vector, _ in terms]
    layers = _shared_layers(vectors)
    made: dict[int, Tensor] = {}
    origin: dict[int, float] = {}
    for layer in layers:
        parts = [vector.layers[layer].double() * weight for vector, weight in terms]
        total = torch.stack(parts).sum(dim=0)
        if not float(total.norm()) > NOTHING_LEFT * max(float(part.norm()) for part in parts):
            continue
        made[layer] = total
        ends = [_end(vector, layer, weight) for vector, weight in terms]
        if None not in ends:
            origin[layer] = sum(end for end in ends if end is not None) / float(total.norm())
    if not made:
        raise UsageError("nothing is left of this mix: its parts cancel out", hint="change a weight")
    parents = tuple(_text(vector, weight) for vector, weight in terms)
    best = _best_layers(terms, made)
    return _result(name, "mix", made, vectors, parents, best, origin, f"mix of {', '.join(parents)}")


def negate(name: str, vector: SteeringVector) -> SteeringVector:
    """Return the opposite of a vector: its classes exchanged, its diagnostics the same."""
    opposite = mix(name, [(vector, -1.0)])
    kept = {layer: vector.meta.diagnostics[layer] for layer in opposite.layers if layer in vector.meta.diagnostics}
    described = f"the opposite of {vector.name}"
    opposite.meta = replace(
        opposite.meta, method="negate", description=described, diagnostics=kept, pairs=vector.meta.pairs
    )
    return opposite


def orthogonalise(name: str, vector: SteeringVector, against: Sequence[SteeringVector]) -> SteeringVector:
    """Return what is left of a vector at right angles to all of `against`, at the layers that all of them have.

    Layers at which it lies within what they span are left out.

    Raises:
        UsageError: There is nothing to take out, the vectors are of different models or share no layer, or nothing is
            left at any layer.
    """
    if not against:
        raise UsageError("there is no vector to be orthogonal to", hint="--against NAME,NAME")
    vectors = [vector, *against]
    made: dict[int, Tensor] = {}
    origin: dict[int, float] = {}
    for layer in _shared_layers(vectors):
        raw = vector.layers[layer].double()
        others = torch.stack([other.layers[layer].double() for other in against])  # (N, D)
        shares = _shares(raw, others)
        left = raw - shares @ others
        if not float(left.norm()) > NOTHING_LEFT * float(raw.norm()):
            continue
        made[layer] = left
        if all(layer in each.meta.origin for each in vectors):
            places = torch.tensor([each.meta.origin[layer] for each in vectors], dtype=torch.float64)
            weights = torch.cat([raw.norm().reshape(1), -shares * others.norm(dim=-1)])
            origin[layer] = float(weights @ places / left.norm())
    if not made:
        raise UsageError(
            f"nothing is left of {vector.name!r}: it lies within the others", hint="leave one of the others out"
        )
    parents = tuple(each.name for each in vectors)
    best = tuple(layer for layer in vector.meta.best_layers if layer in made)
    described = f"{vector.name} without its part along {', '.join(parents[1:])}"
    return _result(name, "orthogonal", made, vectors, parents, best, origin, described)


def cosines(vectors: Sequence[SteeringVector]) -> CosineMap:
    """Return how alike the directions of vectors of one model are, by layer and on average.

    Raises:
        UsageError: There is no vector, or they are of different models.
    """
    if not vectors:
        raise UsageError("there is no vector to compare")
    _require_one_model(vectors)
    layers = tuple(sorted({layer for vector in vectors for layer in vector.layers}))
    by_layer = {layer: _cosines_at(vectors, layer) for layer in layers}
    count = range(len(vectors))
    mean = tuple(tuple(_mean([by_layer[layer][row][column] for layer in layers]) for column in count) for row in count)
    return CosineMap(tuple(vector.name for vector in vectors), layers, by_layer, mean)


def _cosines_at(vectors: Sequence[SteeringVector], layer: int) -> Matrix:
    rows = [vector.layers[layer].double() if layer in vector.layers else None for vector in vectors]
    units = [None if row is None or not float(row.norm()) > 0 else row / row.norm() for row in rows]
    return tuple(
        tuple(None if a is None or b is None else max(-1.0, min(1.0, float(a @ b))) for b in units) for a in units
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _shares(raw: Tensor, others: Tensor) -> Tensor:
    """Return the weights (N,) with which `others` (N, D) come nearest to `raw` (D,); dependent ones share theirs."""
    lengths = others.norm(dim=-1, keepdim=True).clamp_min(1e-300)
    units = others / lengths
    return (torch.linalg.pinv(units.T, rtol=1e-9) @ raw) / lengths.squeeze(-1)


def _end(vector: SteeringVector, layer: int, weight: float) -> float | None:
    """Return a weighted vector's part in where its mix is 0: the place of the class it leads away from.

    That is the negative mean for a positive weight and the positive mean for a negative one, None where neither is
    known.
    """
    place = vector.meta.origin.get(layer)
    length = float(vector.layers[layer].double().norm())
    if place is None:
        return None
    return weight * length * (place if weight >= 0 else place + length)


def _best_layers(terms: Sequence[Weighted], made: Mapping[int, Tensor]) -> tuple[int, ...]:
    """Return the layers that all vectors recommend, else those that the one of greatest weight does."""
    ordered = sorted(terms, key=lambda term: -abs(term[1]))
    first = [layer for layer in ordered[0][0].meta.best_layers if layer in made]
    common = [layer for layer in first if all(layer in vector.meta.best_layers for vector, _ in terms)]
    return tuple(common or first)


def _shared_layers(vectors: Sequence[SteeringVector]) -> list[int]:
    _require_one_model(vectors)
    shared = set(vectors[0].layers).intersection(*(vector.layers for vector in vectors[1:]))
    if not shared:
        names = ", ".join(vector.name for vector in vectors)
        raise UsageError(f"{names} have no layer in common", hint="extract them at all layers")
    return sorted(shared)


def _require_one_model(vectors: Sequence[SteeringVector]) -> None:
    """Refuse vectors of different models, of other weights of one, or that act at different places.

    Raises:
        ShapeMismatch: They differ in width or number of layers.
        UsageError: They are of different models.
    """
    first = vectors[0]
    for other in vectors[1:]:
        if first.meta.site != other.meta.site:
            raise UsageError(f"{first.name!r} acts at {first.meta.site}, {other.name!r} at {other.meta.site}")
        a, b = first.meta.model, other.meta.model
        hint = "vectors of one model can be put together; extract one of them again"
        for what in ("width", "layers"):
            if a[what] != b[what]:
                raise ShapeMismatch(
                    f"{first.name!r} was made for {what} {a[what]}, {other.name!r} for {what} {b[what]}", hint=hint
                )
        if not _is_one_model(a, b):
            weights = "other weights of " if a["id"] == b["id"] else ""
            raise UsageError(f"{first.name!r} was made for {a['id']}, {other.name!r} for {weights}{b['id']}", hint=hint)


def _is_one_model(a: MadeFor, b: MadeFor) -> bool:
    if a["fingerprint"] and b["fingerprint"]:
        return a["fingerprint"] == b["fingerprint"]
    return a["id"] == b["id"]


def _text(vector: SteeringVector, weight: float) -> str:
    return f"{vector.name}:{format_number(weight)}"


def _result(
    name: str,
    method: str,
    made: Mapping[int, Tensor],
    vectors: Sequence[SteeringVector],
    parents: tuple[str, ...],
    best: tuple[int, ...],
    origin: Mapping[int, float],
    description: str,
) -> SteeringVector:
    """Return a vector with what its parents have in common; the residual stream's norm is the mean of theirs."""
    metas = [vector.meta for vector in vectors]
    known = next((meta.model for meta in metas if meta.model["fingerprint"]), metas[0].model)
    norms = {layer: _mean([meta.residual_norm.get(layer) for meta in metas]) for layer in made}
    meta = VectorMeta(
        name=name,
        model=known,
        site=metas[0].site,
        group=_common([meta.group for meta in metas]),
        description=description,
        method=method,
        read=_common([meta.read for meta in metas]),
        template=_common([meta.template for meta in metas]) or "raw",
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        best_layers=best,
        residual_norm={layer: norm for layer, norm in norms.items() if norm is not None},
        origin=dict(origin),
        parents=parents,
    )
    return SteeringVector(name, {layer: tensor.float() for layer, tensor in made.items()}, meta)


def _common(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else ""
