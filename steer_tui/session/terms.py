"""What keys do to one term of a recipe: pure functions from a term to a term.

Knows nothing of models; how many blocks there are and which are recommended is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from steer_tui.engine.recipe import MAX_STRENGTH, OPS, Term, parse_recipe
from steer_tui.engine.scope import KINDS, Scope
from steer_tui.errors import RecipeError

_DECIMALS = 4
_TOKENS = 8
"""What `first`, `after` and `pos` begin with when a key walks to them."""


def with_strength(term: Term, strength: float) -> Term:
    """Return the term at a strength, rounded so that steps of 0.1 never drift, and within what a recipe may say."""
    rounded = round(min(max(strength, -MAX_STRENGTH), MAX_STRENGTH), _DECIMALS)
    return replace(term, strength=rounded + 0.0)  # -0.0 and 0.0 are one strength


def move_layers(term: Term, delta: int, count: int, best: Sequence[int]) -> Term:
    """Return the term with its layers `delta` higher; as it was where they would leave the model's `count` blocks."""
    if count <= 0 or "all" in term.layers:
        return term
    moved = tuple(layer + delta for layer in _numbers(term, count, best))
    return replace(term, layers=moved) if moved[0] >= 0 and moved[-1] < count else term


def resize_layers(term: Term, delta: int, count: int, best: Sequence[int]) -> Term:
    """Return the term with a layer more (`delta` > 0: above its highest, else below its lowest) or its highest fewer.

    One layer is left; a term on every layer gets no more.
    """
    if count <= 0:
        return term
    layers = _numbers(term, count, best)
    if delta < 0:
        return replace(term, layers=layers[:-1]) if len(layers) > 1 else term
    if "all" in term.layers or len(layers) == count:
        return term
    return replace(term, layers=_grown(layers, count))


def _grown(layers: tuple[int, ...], count: int) -> tuple[int, ...]:
    if layers[-1] + 1 < count:
        return (*layers, layers[-1] + 1)
    lower = next(layer for layer in reversed(range(count)) if layer not in layers)
    return tuple(sorted((*layers, lower)))


def _numbers(term: Term, count: int, best: Sequence[int]) -> tuple[int, ...]:
    """Return the term's block indices, at least one, brought into the model where they were made for a deeper one."""
    named: set[int] = set()
    for layer in term.layers:
        if layer == "all":
            named.update(range(count))
        elif layer == "best":
            named.update(best or (count // 2,))
        else:
            named.add(int(layer))
    return tuple(sorted({min(layer, count - 1) for layer in named}))


def next_operation(term: Term) -> Term:
    """Return the term with the operation that follows its own."""
    return replace(term, op=OPS[(OPS.index(term.op) + 1) % len(OPS)])


def next_scope(term: Term) -> Term:
    """Return the term with the kind of scope that follows its own, at a size that shows what it does."""
    kind = KINDS[(KINDS.index(term.scope.kind) + 1) % len(KINDS)]
    if kind in ("first", "after"):
        return replace(term, scope=Scope(kind, _TOKENS))
    return replace(term, scope=Scope("pos", 0, _TOKENS - 1) if kind == "pos" else Scope(kind))


def renamed(term: Term, old: str, new: str) -> Term:
    """Return the term with a vector's other name, in its gate too."""
    gate = term.gate if term.gate is None or term.gate.name != old else replace(term.gate, name=new)
    return replace(term, name=new if term.name == old else term.name, gate=gate)


def starting_terms(name: str, recipe: str) -> tuple[Term, ...]:
    """Return what switching a concept on adds: its own terms of a recipe that is known to work, else the plain term."""
    try:
        terms = parse_recipe(recipe).terms
    except RecipeError:
        terms = ()
    return tuple(term for term in terms if term.name == name) or (Term(name),)
