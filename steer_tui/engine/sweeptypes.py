"""What a sweep brings: cells with their texts and measures, and how far it is. Plain values; no torch import."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from steer_tui.engine.types import Finish

Kind = Literal["cell", "baseline", "random", "shuffled", "prompt"]
"""A cell of the grid; the unsteered texts; the controls: a random direction, labels shuffled, the prompt alone."""
Problem = Literal["nan", "repeats", "empty"]
"""The model broke: a logit that is no number, a text that goes round in circles, texts without a word."""
MEASURES = ("concept", "perplexity", "kl_mean", "kl_p95", "distinct_2", "relative_norm", "share")
"""Figures of a cell, in the order in which a key walks through them."""


@dataclass(frozen=True, slots=True)
class CellText:
    """One text of a cell; a figure is None where it was not measured or cannot be."""

    prompt: int
    """Index among the request's prompts."""
    seed: int
    text: str
    ids: tuple[int, ...]
    finish: Finish
    concept: float | None = None
    perplexity: float | None = None
    kl_mean: float | None = None
    distinct_2: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return an entry of a cell's `details`; the text itself is in `texts`."""
        return {
            "prompt": self.prompt,
            "seed": self.seed,
            "ids": list(self.ids),
            "finish": self.finish,
            "concept": number(self.concept),
            "perplexity": number(self.perplexity),
            "kl_mean": number(self.kl_mean),
            "distinct_2": number(self.distinct_2),
        }


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting with its texts; figures are over all tokens of all its texts, None where there is none."""

    key: str
    """Unique in a sweep: a cell of the grid has its recipe line, others begin with `=`."""
    kind: Kind
    name: str
    """Name of the concept it is measured by, or of all in a mix, joined by `+`."""
    recipe: str
    """What acts; of a random or shuffled vector, the recipe it stands in for; empty where nothing does."""
    span: str = ""
    """Layers as they were asked for: `3`, `3-4`, `best`; empty where nothing acts."""
    layers: tuple[int, ...] = ()
    strengths: tuple[float, ...] = (0.0,)
    """One, or the weight of every concept of a mix."""
    texts: tuple[CellText, ...] = ()
    """One for every prompt with every seed, in that order."""
    concept: float | None = None
    """Mean place on the concept scale; in a mix, the mean of its concepts'."""
    perplexity: float | None = None
    kl_mean: float | None = None
    """Nats, as kl_p95."""
    kl_p95: float | None = None
    distinct_2: float | None = None
    relative_norm: float | None = None
    """||added|| / ||residual||, mean over the positions and layers that it changes; 0 where it changes none."""
    share: float | None = None
    """Share of texts that show the concept by its words; for the demo model's concepts only."""
    concepts: Mapping[str, float | None] = field(default_factory=dict)
    """Every concept's own place, in a mix several."""
    spread: Mapping[str, float] = field(default_factory=dict)
    """Measure -> standard deviation over the texts; empty for a single text."""
    problem: Problem | None = None

    @property
    def strength(self) -> float:
        """The strength, or the first weight of a mix."""
        return self.strengths[0]

    def figure(self, measure: str) -> float | None:
        """Return one of `MEASURES`."""
        value: float | None = getattr(self, measure)
        return value

    def to_json(self) -> dict[str, object]:
        """Return the contract's CELL, with more beside it; what is not finite is null."""
        return {
            "layer": (self.layers[0] if len(self.layers) == 1 else self.span) if self.layers else None,
            "strength": self.strength,
            "texts": [text.text for text in self.texts],
            **{measure: number(self.figure(measure)) for measure in MEASURES},
            "key": self.key,
            "kind": self.kind,
            "name": self.name,
            "recipe": self.recipe,
            "span": self.span,
            "layers": list(self.layers),
            "strengths": list(self.strengths),
            "concepts": {name: number(value) for name, value in self.concepts.items()},
            "spread": {name: number(value) for name, value in self.spread.items()},
            "problem": self.problem,
            "details": [text.to_json() for text in self.texts],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cell:
        """Return the cell that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: It did not write this.
        """
        if value["kind"] not in get_args(Kind) or value["problem"] not in (None, *get_args(Problem)):
            raise ValueError("no cell of a sweep")
        texts = zip(value["texts"], value["details"], strict=True)
        return cls(
            key=str(value["key"]),
            kind=value["kind"],
            name=str(value["name"]),
            recipe=str(value["recipe"]),
            span=str(value["span"]),
            layers=tuple(map(int, value["layers"])),
            strengths=tuple(map(float, value["strengths"])),
            texts=tuple(CellText(**{**detail, "text": text, "ids": tuple(detail["ids"])}) for text, detail in texts),
            **{measure: value[measure] for measure in MEASURES},
            concepts=dict(value["concepts"]),
            spread=dict(value["spread"]),
            problem=value["problem"],
        )


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """How far a sweep is, cells of the baseline and of the controls included."""

    done: int
    total: int
    fraction: float
    """0 to 1, by tokens: it moves between cells too."""
    seconds_left: float | None
    """None before that can be told."""
    rows: int = 0
    """Rows of the batch that is stepped now."""
    note: str = ""
    """What the user should know, such as a batch halved for want of memory; empty where there is nothing."""


def number(value: float | None) -> float | None:
    """Return a finite number, None for anything that JSON has no word for."""
    return value if value is not None and math.isfinite(value) else None
