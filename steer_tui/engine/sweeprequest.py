"""What a sweep is asked to do: which cells, from which prompts, with which sampling. Plain values; no torch import.

A cell is a recipe, and its recipe line is its key. Promises to name the cells of a request without a model; knows
nothing of running them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from steer_tui.engine.recipe import BEST, OPS, Layers, Recipe, Term, format_layers, parse_layers
from steer_tui.engine.scope import ALL, Scope, parse_scope
from steer_tui.engine.types import Sampling
from steer_tui.errors import UsageError

STRENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5)
"""Columns of a sweep that names none."""
EXPLORED = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Columns of the strength explorer."""
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Axes of the mixer."""
TOKENS = 32
KL_BUDGET = 1.0
"""Nats, mean over the generated positions."""
RANDOMS = 8
"""Random directions that make the band."""
MOST_LAYERS = 12
"""Rows of a sweep that names no layers."""
MOST_CELLS = 5000
AUTO_LIMITS = {"add": 64.0, "keepnorm": 64.0, "set": 64.0, "ablate": 1.0, "rotate": 1.0}
"""Operations whose effect grows with the strength, and the greatest one that `auto` tries."""


@dataclass(frozen=True, slots=True)
class Point:
    """One cell before it is run."""

    concept: str
    """Name of the concept, or of all in a mix, joined by `+`."""
    recipe: str
    """Its key within a sweep."""
    span: str
    """Layers as they were asked for: `3`, `3-4`, `best`."""
    strengths: tuple[float, ...]
    """One, or the weight of every concept of a mix."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """One sweep: all that is needed to run it again."""

    prompts: tuple[str, ...]
    concepts: tuple[str, ...]
    """Swept one after another; in a mix their weights are the axes of one grid."""
    layers: tuple[Layers, ...] = ()
    """Rows of the grid, each a term's layers: `(3,)` or `(3, 4)` or `("best",)`. Empty: `spread_layers`; best in a mix.
    """
    strengths: tuple[float, ...] = STRENGTHS
    """Columns; in a mix the weights along every axis."""
    op: str = "add"
    scope: Scope = ALL
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=TOKENS))
    """Its seed is not used."""
    seeds: tuple[int, ...] = (0,)
    """Every prompt is continued with every seed: a cell has prompts x seeds texts."""
    raw: bool = False
    kl_budget: float = KL_BUDGET
    controls: bool = True
    """Whether random directions, a label-shuffled vector and the prompt alone are run beside the grid."""
    randoms: int = RANDOMS
    measures: bool = True
    """False leaves texts and distinct-2 only."""
    mix: bool = False
    auto: bool = False
    """Look for layers and for the strength that costs the KL budget instead of running a grid; `strengths` tell the
    direction only, and `layers`, where there are any, which rows are looked at."""
    refine: bool = False
    """Look closer around each grid's best cell afterwards."""

    @property
    def texts_per_cell(self) -> int:
        """How many texts a cell has."""
        return len(self.prompts) * len(self.seeds)

    def rows(self, layer_count: int) -> tuple[Layers, ...]:
        """Return the rows for a model of that many blocks."""
        if self.layers:
            return self.layers
        return (BEST,) if self.mix else tuple((layer,) for layer in spread_layers(layer_count))

    def points(self, layer_count: int) -> tuple[Point, ...]:
        """Return every cell, concept by concept, row by row; none where they are found on the way (`auto`)."""
        if self.auto:
            return ()
        rows = self.rows(layer_count)
        if self.mix:
            return tuple(self._mixed(row, weights) for row in rows for weights in self._weights())
        return tuple(
            self._point(concept, row, strength)
            for concept in self.concepts
            for row in rows
            for strength in self.strengths
        )

    def check(self) -> None:
        """Refuse what no sweep can be.

        Raises:
            UsageError: naming what is wrong.
        """
        _check_kinds(self)
        for what, values in (("prompt", self.prompts), ("concept", self.concepts), ("strength", self.strengths)):
            if not values:
                raise UsageError(f"the sweep has no {what}", hint="it needs one at least")
            if len(set(values)) < len(values):
                raise UsageError(f"a {what} comes twice", hint="name each once")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UsageError("the seeds must be different numbers", hint="0, 1, 2 are three texts of every prompt")
        if not all(map(math.isfinite, self.strengths)):
            raise UsageError("a strength is not finite", hint="0.5 to 2.5 suits most concepts")
        if self.op not in OPS:
            raise UsageError(f"no operation {self.op!r}", hint=f"one of {', '.join(OPS)}")
        if self.mix and len(self.concepts) not in (2, 3):
            raise UsageError(
                f"a mix takes two or three concepts, not {len(self.concepts)}", hint="their weights are the grid's axes"
            )
        if self.mix and len(self.layers) > 1:
            raise UsageError("a mix has one choice of layers", hint="its axes are the concepts' weights")
        if self.auto and (self.mix or self.refine or not self.measures or self.op not in AUTO_LIMITS):
            raise UsageError(
                "auto looks for one concept's strength by its KL",
                hint=f"without a mix or refining, with measures, and with one of {', '.join(AUTO_LIMITS)}",
            )
        if self.refine and not self.measures:
            raise UsageError("without measures no cell is best", hint="refine needs them")
        if self.controls and self.randoms < RANDOMS:
            raise UsageError(f"a band needs {RANDOMS} random directions, not {self.randoms}")
        if not self.kl_budget > 0:
            raise UsageError(f"a KL budget of {self.kl_budget} allows nothing", hint="1 nat is usual")

    def to_json(self) -> dict[str, object]:
        """Return an object that `from_json` reads back."""
        return {
            "prompts": list(self.prompts),
            "concepts": list(self.concepts),
            "layers": [format_layers(layers) for layers in self.layers],
            "strengths": list(self.strengths),
            "op": self.op,
            "scope": str(self.scope),
            "sampling": self.sampling.to_json(),
            "seeds": list(self.seeds),
            "raw": self.raw,
            "kl_budget": self.kl_budget,
            "controls": self.controls,
            "randoms": self.randoms,
            "measures": self.measures,
            "mix": self.mix,
            "auto": self.auto,
            "refine": self.refine,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SweepRequest:
        """Return the request that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, SteerError: It did not write this.
        """
        plain = ("op", "raw", "kl_budget", "controls", "randoms", "measures", "mix", "auto", "refine")
        return cls(
            prompts=tuple(map(str, value["prompts"])),
            concepts=tuple(map(str, value["concepts"])),
            layers=tuple(parse_layers(text) for text in value["layers"]),
            strengths=tuple(map(float, value["strengths"])),
            scope=parse_scope(value["scope"]),
            sampling=Sampling(**value["sampling"]),
            seeds=tuple(map(int, value["seeds"])),
            **{name: value[name] for name in plain},
        )

    def _weights(self) -> list[tuple[float, ...]]:
        return [weights for weights in product(self.strengths, repeat=len(self.concepts))]

    def _term(self, concept: str, layers: Layers, strength: float) -> Term:
        return Term(concept, strength, layers, self.op, self.scope)

    def _point(self, concept: str, layers: Layers, strength: float) -> Point:
        recipe = Recipe((self._term(concept, layers, strength),))
        return Point(concept, str(recipe), format_layers(layers), (strength,))

    def _mixed(self, layers: Layers, weights: tuple[float, ...]) -> Point:
        pairs = zip(self.concepts, weights, strict=True)
        recipe = Recipe(tuple(self._term(concept, layers, weight) for concept, weight in pairs))
        return Point("+".join(self.concepts), str(recipe), format_layers(layers), weights)


def _check_kinds(request: SweepRequest) -> None:
    """Refuse one text where several are meant, and a layer where a row of layers is.

    Raises:
        UsageError: naming which.
    """
    for what, values in (("prompts", request.prompts), ("concepts", request.concepts)):
        if isinstance(values, str):
            raise UsageError(f"the {what} are one text, not several", hint=f"write {what}=({values!r},)")
    if isinstance(request.layers, str) or not all(isinstance(row, (tuple, list)) for row in request.layers):
        raise UsageError("the layers are no rows", hint='one tuple each, such as ((2,), (3, 4), ("best",))')


def strength_range(low: float, high: float, step: float) -> tuple[float, ...]:
    """Return the strengths from `low` to `high`, both among them whatever the step, which is above 0."""
    count = int((high - low) / step + 1e-9)
    found = [round(low + place * step, 10) + 0.0 for place in range(count + 1)]
    return tuple(dict.fromkeys([*found, high] if high - found[-1] > 1e-9 * max(1.0, abs(high)) else found))


def spread_layers(count: int, most: int = MOST_LAYERS) -> tuple[int, ...]:
    """Return all blocks of a model of `count`, or at most `most` spread over the middle of a deep one."""
    if count <= most:
        return tuple(range(count))
    low, high = 0.15 * (count - 1), 0.9 * (count - 1)
    return tuple(sorted({round(low + place * (high - low) / (most - 1)) for place in range(most)}))


def layer_analysis(prompt: str, concept: str, strength: float, layer_count: int, **more: Any) -> SweepRequest:
    """Return the sweep of one strength over all layers, one at a time."""
    rows: tuple[Layers, ...] = tuple((layer,) for layer in range(layer_count))
    return SweepRequest((prompt,), (concept,), rows, (strength,), **more)


def strength_explorer(prompt: str, concept: str, layers: Layers = BEST, **more: Any) -> SweepRequest:
    """Return the sweep of one choice of layers over all strengths."""
    return replace(SweepRequest((prompt,), (concept,), (layers,), EXPLORED), **more)


def mixer(prompt: str, concepts: tuple[str, ...], **more: Any) -> SweepRequest:
    """Return the sweep of two or three concepts' weights."""
    return replace(SweepRequest((prompt,), concepts, strengths=WEIGHTS, mix=True), **more)
