"""Joins a recipe with the vectors it names, for one model: what `plan` needs of each term.

Refuses vectors that do not fit. Knows nothing of batches or positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steer_tui.engine.extractchoices import BLOCK_OUT
from steer_tui.engine.recipe import Recipe, Term, require_names
from steer_tui.engine.spot import Spot, spot
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import RecipeError, ShapeMismatch


@dataclass(frozen=True, eq=False)
class LayerVector:
    """A vector at one block."""

    raw: Tensor
    """(D,) float32: what strength 1 adds."""
    unit: Tensor
    """(D,) float32; zeros for a zero vector."""
    length: float
    """Distance between the class means: the norm of `raw`."""
    origin: float
    """Projection of the negative mean on `unit`: 0 on the concept scale."""

    def place(self, hidden: Tensor) -> Tensor:
        """Return the place on the concept scale of hidden states (..., D); NaN where a zero vector leaves no scale."""
        return (hidden.float() @ self.unit.to(hidden.device) - self.origin) / (self.length or math.nan)


@dataclass(frozen=True, eq=False)
class ActiveTerm:
    """A term that knows its vectors and layers."""

    term: Term
    layers: tuple[int, ...]
    vectors: Mapping[int, LayerVector]
    gate_vector: LayerVector | None = None
    gate_layer: Spot | None = None
    """Where the gate's vector is read; None without a gate."""
    is_open: bool | None = None
    """Whether the row's gate holds; None before that is known, and where there is no gate."""
    site: str = BLOCK_OUT
    """Where in its blocks the vector acts."""

    @property
    def spots(self) -> tuple[Spot, ...]:
        """Where it acts, in the order of `layers`."""
        return tuple(spot(self.site, layer) for layer in self.layers)

    @property
    def op(self) -> str:
        """The operation's name."""
        return self.term.op

    @property
    def strength(self) -> float:
        """The term's strength."""
        return self.term.strength

    def decide(self, place: float) -> ActiveTerm:
        """Return the term with its gate decided by the place of the row's prompt."""
        gate = self.term.gate
        assert gate is not None
        return replace(self, is_open=place > gate.threshold if gate.above else place < gate.threshold)

    def contains(self, position: int, prompt_length: int) -> bool:
        """Say whether the term acts at `position`; a gated one never does on the prompt, which decides the gate."""
        if self.term.gate and (not self.is_open or position < prompt_length):
            return False
        return self.term.scope.contains(position, prompt_length)

    def touches(self, low: int, high: int, prompt_length: int) -> bool:
        """Say whether the term may act at a position of `low <= p < high`."""
        if self.term.gate:
            low = max(low, prompt_length)
        return low < high and self.term.scope.touches(low, high, prompt_length)

    def mask(self, positions: Tensor, prompt_length: int) -> Tensor:
        """Return where among `positions` (T,) the term acts; never on padding (negative positions)."""
        mask = self.term.scope.mask(positions, prompt_length)
        if self.term.gate:
            mask = mask & (positions >= prompt_length) & bool(self.is_open)
        return mask


def layer_vector(vector: SteeringVector, layer: int) -> LayerVector:
    """Return a vector at one block, with its place on the concept scale."""
    raw = vector.layers[layer].float()
    length = float(raw.norm())
    unit = raw / length if length > 0 else torch.zeros_like(raw)
    return LayerVector(raw, unit, length, float(vector.meta.origin.get(layer, 0.0)))


def first_best(vector: SteeringVector) -> int:
    """Return the block at which a concept is measured: the vector's first best layer."""
    return next((layer for layer in vector.meta.best_layers if layer in vector.layers), min(vector.layers))


def first_spot(vector: SteeringVector) -> Spot:
    """Return where a concept is measured: the vector's own site at its first best layer."""
    return spot(vector.meta.site, first_best(vector))


def resolve(
    recipe: Recipe, vectors: Mapping[str, SteeringVector], layer_count: int, width: int
) -> tuple[ActiveTerm, ...]:
    """Return the terms of a recipe ready to act.

    Raises:
        RecipeError: an unknown name, or a layer that the model or the vector has not.
        ShapeMismatch: a vector made for another width or number of layers.
    """
    require_names(recipe, vectors)
    for name in recipe.names:
        require_fit(vectors[name], layer_count, width)
    return tuple(_resolve_term(term, vectors, layer_count) for term in recipe.terms)


def _resolve_term(term: Term, vectors: Mapping[str, SteeringVector], count: int) -> ActiveTerm:
    vector = vectors[term.name]
    layers = term.resolve_layers(count, vector.meta.best_layers or (first_best(vector),))
    if "all" in term.layers:
        layers = tuple(layer for layer in layers if layer in vector.layers)
    missing = [layer for layer in layers if layer not in vector.layers]
    if missing:
        have = ", ".join(map(str, sorted(vector.layers)))
        raise RecipeError(f"vector {term.name!r} has no layer {missing[0]}", hint=f"it has {have}")
    ready = {layer: layer_vector(vector, layer) for layer in layers}
    if term.gate is None:
        return ActiveTerm(term, layers, ready, site=vector.meta.site)
    gate = vectors[term.gate.name]
    read = layer_vector(gate, first_best(gate))
    return ActiveTerm(term, layers, ready, read, first_spot(gate), site=vector.meta.site)


def require_fit(vector: SteeringVector, layer_count: int, width: int) -> None:
    """Refuse a vector made for a model of another shape.

    Raises:
        ShapeMismatch: naming what differs.
    """
    model = vector.meta.model
    for what, found, wanted in (("width", model["width"], width), ("layers", model["layers"], layer_count)):
        if found != wanted:
            raise ShapeMismatch(
                f"vector {vector.name!r} was made for a model of {what} {found}, this one has {wanted}",
                hint="it belongs to another model; extract it again",
            )
