"""A recipe as one vector: what its terms add at each block, summed. Only recipes that add everywhere are one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from steer_tui.engine.recipe import Recipe, Term, format_number
from steer_tui.engine.resolve import ActiveTerm, resolve
from steer_tui.engine.scope import ALL
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import UsageError
from steer_tui.library.names import slug


def resolved(recipe: Recipe, vectors: Mapping[str, SteeringVector]) -> tuple[ActiveTerm, ...]:
    """Return a recipe's terms with their blocks, for the model its first vector was made for.

    Raises:
        RecipeError, ShapeMismatch: As `engine.resolve.resolve`.
        UsageError: It has no terms.
    """
    if not recipe.terms:
        raise UsageError("there is nothing to export", hint="name a vector or a recipe such as happy:0.7,excited:0.3")
    first = next((vectors[name] for name in recipe.names if name in vectors), None)
    model = first.meta.model if first is not None else None
    return resolve(recipe, vectors, model["layers"] if model else 0, model["width"] if model else 0)


def flatten(recipe: Recipe, vectors: Mapping[str, SteeringVector]) -> SteeringVector:
    """Return the vector that adds, at strength 1, what a recipe adds.

    Raises:
        UsageError: A term does something else than add at every position.
        RecipeError, ShapeMismatch: As `resolved`.
    """
    layers: dict[int, Tensor] = {}
    for active in resolved(recipe, vectors):
        _require_plain(active.term)
        for layer, at_layer in active.vectors.items():
            added = at_layer.raw * active.term.strength
            layers[layer] = layers[layer] + added if layer in layers else added
    if not any(bool(torch.any(row)) for row in layers.values()):
        raise UsageError(f"{recipe} adds nothing", hint="give a term a strength other than 0")
    first = vectors[recipe.terms[0].name].meta
    meta = VectorMeta(
        name=slug(str(recipe)),
        model=first.model,
        group="mixes",
        description=str(recipe),
        method="mix",
        best_layers=tuple(sorted(layers)),
        parents=tuple(f"{term.name}:{format_number(term.strength)}" for term in recipe.terms),
        residual_norm=first.residual_norm,
    )
    return SteeringVector(meta.name, layers, meta)


def _require_plain(term: Term) -> None:
    """Refuse a term that one added vector cannot stand for."""
    plain = replace(term, strength=1.0, layers=("best",))
    if plain != Term(term.name):
        what = "a gate" if term.gate else f"the scope {term.scope}" if term.scope != ALL else f"the operation {term.op}"
        raise UsageError(
            f"{term} has {what}, which this format cannot hold",
            hint="export plain terms, or an EasySteer request: --format easysteer",
        )
