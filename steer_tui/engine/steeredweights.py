"""A recipe as weights: what it adds goes into biases, so that a model is steered without hooks, always.

Promises the logits of the steered model, tried edit by edit, and that every weight is back, bit for bit, when the
context ends. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor

from steer_tui.engine.bias import bias_edit
from steer_tui.engine.orthogonal import orthogonal_edit
from steer_tui.engine.recipe import Recipe, Term, require_names
from steer_tui.engine.resolve import first_best, require_fit, resolve
from steer_tui.engine.scope import ALL
from steer_tui.engine.spot import point_name
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.weightedit import WeightEdit
from steer_tui.errors import UsageError

_HELD = 1e-5
"""Share of a vector's length that is no more than rounding."""


def check_terms(recipe: Recipe) -> None:
    """Refuse a recipe of which something depends on the text, or changes more than an addition does.

    Raises:
        UsageError: naming the term; a bias acts on every token, the same way.
    """
    for term in recipe.terms:
        if replace(term, strength=1.0, layers=("best",)) != Term(term.name):
            what = "a gate" if term.gate else f"the scope {term.scope}" if term.scope != ALL else f"~{term.op}"
            raise UsageError(f"{term} has {what}, which weights cannot hold", hint="they can add at every token")


@contextmanager
def steered_weights(
    lm: Any, recipe: Recipe, vectors: Mapping[str, SteeringVector], without: Sequence[str] = ()
) -> Iterator[tuple[WeightEdit, ...]]:
    """Have a model steered by its weights while a `with` lasts; gives the edits in force, in order.

    Args:
        lm: The model.
        recipe: Terms that add at every token; what they add at one place is one edit.
        vectors: Those that are named, by name.
        without: Names of vectors whose direction, at the first best layer, is taken out of all weights that write the
            residual stream, before anything is added. All are out afterwards, whatever the angles between them.

    Raises:
        UsageError: A term is no plain addition, or the architecture has no bias that could stand for it.
        RecipeError, ShapeMismatch: A vector is not there, or does not fit.
    """
    check_terms(recipe)
    require_names(Recipe(tuple(map(Term, without))), vectors)
    active = resolve(recipe, vectors, lm.info.layers, lm.info.width)
    added: dict[str, Tensor] = {}
    for term in active:
        for layer, at_layer in term.vectors.items():
            point = lm.layers.find(point_name(term.site, layer)).name
            amount = at_layer.raw * term.strength
            added[point] = added[point] + amount if point in added else amount
    with ExitStack() as stack:
        edits = []
        out: list[Tensor] = []
        for name in dict.fromkeys(without):
            vector = vectors[name]
            require_fit(vector, lm.info.layers, lm.info.width)
            direction = _beside(vector.layers[first_best(vector)], out)
            if direction is None:
                continue
            edit = orthogonal_edit(lm, direction)
            edit.title = f"{name} of layer {first_best(vector)}: {edit.title}"
            edits.append(stack.enter_context(edit))
            out.append(direction)
        for point, amount in added.items():
            edit = bias_edit(lm, point, amount)
            edit.title = f"{recipe} at {point}"
            edits.append(stack.enter_context(edit))
        yield tuple(edits)


def _beside(vector: Tensor, out: Sequence[Tensor]) -> Tensor | None:
    """Return what of a vector (width,) is at right angles to those that are out; None where they hold all of it.

    Taking out a direction that leans on an earlier one would bring that one back.
    """
    left = vector.detach().double().cpu()
    for earlier in out:
        unit = earlier.double() / earlier.double().norm()
        left = left - (left @ unit) * unit
    is_held = bool(out) and float(left.norm()) <= _HELD * float(vector.norm())
    return None if is_held else left.float()
