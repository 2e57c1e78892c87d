"""Steering as the contract says it, written slowly: one position at a time, no cache, no batch, plain hooks.

What the engine's quick code is held against; shares nothing with it but the recipe's and the vector's data.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import Recipe, Term
from steer_tui.engine.scope import Scope
from steer_tui.engine.vector import SteeringVector
from tests.unit.tiny import hooked

Vectors = Mapping[str, SteeringVector]


def members(scope: Scope, prompt_length: int, total: int = 24) -> set[int]:
    """Return which of the first `total` positions a scope holds."""
    every = range(total)
    return {
        "all": set(every),
        "prompt": set(every[:prompt_length]),
        "generated": set(every[prompt_length:]),
        "last": {prompt_length - 1},
        "first": set(every[: scope.start]),
        "after": set(every[scope.start :]),
        "pos": {place for place in every if scope.start <= place <= scope.stop},
    }[scope.kind]


def operate(op: str, hidden: Tensor, unit: Tensor, length: float, origin: float, strength: float) -> Tensor:
    """Return one hidden state (D,) as an operation leaves it, reckoned in float64."""
    h, u = hidden.double(), unit.double()
    component = float(h @ u)
    point = origin + strength * length
    if op == "add":
        return h + strength * length * u
    if op == "keepnorm":
        moved = h + strength * length * u
        return moved * (h.norm() / moved.norm())
    if op == "ablate":
        return h - strength * component * u
    if op == "set":
        return h + (point - component) * u
    if op == "cap":
        return h - (component - point) * u if component > point else h
    along = h / h.norm()
    across = u - (u @ along) * along
    across = across / across.norm()
    angle = math.radians(90 * strength)
    return h.norm() * (math.cos(angle) * along + math.sin(angle) * across)


def term_layers(term: Term, vector: SteeringVector) -> set[int]:
    """Return the blocks that a term names."""
    found: set[int] = set()
    for layer in term.layers:
        if layer == "all":
            found |= set(vector.layers)
        elif layer == "best":
            found |= set(vector.meta.best_layers)
        else:
            found.add(int(layer))
    return found


@torch.no_grad()
def steered_pass(
    lm: LanguageModel,
    ids: Sequence[int],
    prompt_length: int,
    recipe: Recipe,
    vectors: Vectors,
    closed: Collection[Term] = (),
) -> tuple[list[Tensor], Tensor]:
    """Run all ids at once and return every block's output [(T, D), ...] and the logits (T, V); `closed` terms rest."""
    states: dict[int, Tensor] = {}

    def act(layer: int, hidden: Tensor) -> Tensor:
        rows = [hidden[0, at] for at in range(hidden.shape[1])]
        for term in recipe.terms:
            vector = vectors[term.name]
            if term in closed or layer not in term_layers(term, vector):
                continue
            held = members(term.scope, prompt_length, len(rows))
            if term.gate is not None:
                held -= set(range(prompt_length))
            raw = vector.layers[layer]
            unit, length = raw / raw.norm(), float(raw.norm())
            for at in held:
                rows[at] = operate(term.op, rows[at], unit, length, vector.meta.origin[layer], term.strength)
        states[layer] = torch.stack([row.float() for row in rows])
        return states[layer].unsqueeze(0).to(hidden.dtype)

    with hooked(lm, act):
        logits = lm.model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
    return [states[layer] for layer in range(lm.info.layers)], logits
