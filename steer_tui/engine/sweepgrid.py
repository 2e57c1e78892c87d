"""A sweep's result as grids: rows, columns, best cell under a KL budget, front, noise band. No torch import.

Everything here follows from the cells, so that a grid can be drawn while it fills and read back from JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist, fmean, stdev
from typing import Any

from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeptypes import Cell, number
from steer_tui.engine.types import ModelInfo

BANDED = ("concept", "perplexity", "kl_mean", "distinct_2", "share")
"""Measures of which random directions make a band."""
_BOUNDS = {"perplexity": (1.0, math.inf), "kl_mean": (0.0, math.inf), "distinct_2": (0.0, 1.0), "share": (0.0, 1.0)}
_COVERS = 0.95
_DIGITS = 4
"""Smaller differences are rounding, and no reason to take one cell rather than another."""
_NEAR = 0.05
"""Share of the most of a concept that may be given up for less KL."""


@dataclass(frozen=True, slots=True)
class Band:
    """Where one more random direction of equal norm would fall, with 95% (a prediction interval of Student's t)."""

    mean: float
    low: float
    high: float
    count: int
    """Directions it rests on."""

    def holds(self, value: float) -> bool:
        """Say whether a value cannot be told from a random direction's."""
        return self.low <= value <= self.high

    def to_json(self) -> dict[str, object]:
        """Return an entry of `controls.random.bands`."""
        return {"mean": number(self.mean), "low": number(self.low), "high": number(self.high), "count": self.count}


@dataclass(frozen=True, slots=True)
class SweepControls:
    """What stands beside a grid so that nobody takes noise for an effect."""

    random: tuple[Cell, ...] = ()
    """Random directions as long as the vector; each strength's are spread over the rows of the grid."""
    shuffled: tuple[Cell, ...] = ()
    """The vector of the same examples with their labels shuffled, as long as the real one; one cell per strength."""
    prompt: Cell | None = None
    """No steering, but the concept's instruction before the prompt; None for a concept without one."""

    def band(self, measure: str, strength: float) -> Band | None:
        """Return the band of a measure at a strength, whose sign makes no difference; None where there is none."""
        size = abs(strength)
        values = [value for cell in self.random if cell.strength == size if (value := cell.figure(measure)) is not None]
        band = band_of(values)
        low, high = _BOUNDS.get(measure, (-math.inf, math.inf))
        return None if band is None else replace(band, low=max(band.low, low), high=min(band.high, high))

    def to_json(self) -> dict[str, object]:
        """Return the contract's `controls`, with more beside it."""
        sizes = sorted({cell.strength for cell in self.random})
        bands = {
            f"{size:g}": {name: band.to_json() for name in BANDED if (band := self.band(name, size)) is not None}
            for size in sizes
        }
        return {
            "random": {"bands": bands, "cells": [cell.to_json() for cell in self.random]},
            "shuffled": [cell.to_json() for cell in self.shuffled],
            "prompt": self.prompt.to_json() if self.prompt else None,
        }


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of one concept, or of one mix; some may be missing yet."""

    name: str
    baseline: Cell | None = None
    cells: tuple[Cell, ...] = ()
    controls: SweepControls = field(default_factory=SweepControls)
    kl_budget: float = 1.0

    @property
    def rows(self) -> tuple[str, ...]:
        """The layers there are, early ones first, a single layer before a range that begins with it."""
        ordered = sorted(self.cells, key=lambda cell: (cell.layers[:1], len(cell.layers)))
        return tuple(dict.fromkeys(cell.span for cell in ordered))

    @property
    def columns(self) -> tuple[float, ...]:
        """The strengths there are, ascending; in a mix those of the first concept."""
        return tuple(sorted({cell.strength for cell in self.cells}))

    @property
    def best(self) -> Cell | None:
        """The cell to take, as `best_cell` chooses; None where none is within the KL budget."""
        nothing = self.baseline.concept if self.baseline is not None else None
        return best_cell(self.cells, self.kl_budget, nothing or 0.0)

    @property
    def front(self) -> tuple[Cell, ...]:
        """The cells that no other one beats in both concept and KL, by rising KL."""
        return front_of(self.cells)

    def all_cells(self) -> tuple[Cell, ...]:
        """Return every cell there is: baseline, cells, controls."""
        single = (self.baseline, self.controls.prompt)
        baseline, prompt = ((cell,) if cell is not None else () for cell in single)
        return (*baseline, *self.cells, *prompt, *self.controls.shuffled, *self.controls.random)

    def at(self, span: str, *strengths: float) -> Cell | None:
        """Return a cell by its place, None where it is missing."""
        found = (cell for cell in self.cells if cell.span == span and cell.strengths == strengths)
        return next(found, None)

    def is_noise(self, cell: Cell) -> bool | None:
        """Say whether a cell's concept lies in the random band of its strength; None where there is no band."""
        band = self.controls.band("concept", cell.strength)
        return None if band is None or cell.concept is None else band.holds(cell.concept)

    def with_cell(self, cell: Cell) -> Grid:
        """Return the grid with one more cell of any kind, in place of one with its key."""
        if cell.kind == "baseline":
            return replace(self, baseline=cell)
        if cell.kind == "prompt":
            return replace(self, controls=replace(self.controls, prompt=cell))
        if cell.kind == "random":
            return replace(self, controls=replace(self.controls, random=_put(self.controls.random, cell)))
        if cell.kind == "shuffled":
            return replace(self, controls=replace(self.controls, shuffled=_put(self.controls.shuffled, cell)))
        return replace(self, cells=_put(self.cells, cell))

    def merged(self, other: Grid) -> Grid:
        """Return the grid with the cells of another one, which win over its own."""
        return grid_of(self.name, [*self.all_cells(), *other.all_cells()], self.kl_budget)

    def to_json(self) -> dict[str, object]:
        """Return the part of the contract's object that is of this concept."""
        best = self.best
        return {
            "concept": self.name,
            "baseline": self.baseline.to_json() if self.baseline else None,
            "cells": [cell.to_json() for cell in self.cells],
            "best": best.to_json() if best else None,
            "front": [cell.key for cell in self.front],
            "controls": self.controls.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], kl_budget: float) -> Grid:
        """Return the grid that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: It did not write this.
        """
        controls = value["controls"]
        single = [cell for cell in (value["baseline"], controls["prompt"]) if cell is not None]
        cells = [*single, *value["cells"], *controls["random"]["cells"], *controls["shuffled"]]
        return grid_of(str(value["concept"]), map(Cell.from_json, cells), kl_budget)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A sweep that has ended, was stopped, or goes on."""

    model: ModelInfo
    request: SweepRequest
    grids: tuple[Grid, ...]
    """One per concept; one in all for a mix."""
    complete: bool
    """Whether every cell is there."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What the user should know of how it went."""

    def to_json(self) -> dict[str, object]:
        """Return the object that `sweep --json` prints; further concepts are in `more`."""
        first = self.grids[0].to_json()
        return {
            "version": 1,
            "model": self.model.to_json(),
            "prompts": list(self.request.prompts),
            "concept": first.pop("concept"),
            "max_tokens": self.request.sampling.max_tokens,
            "seed": self.request.seeds[0],
            **first,
            "more": [grid.to_json() for grid in self.grids[1:]],
            "request": self.request.to_json(),
            "complete": self.complete,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SweepResult:
        """Return the result that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, SteerError: It did not write this.
        """
        request = SweepRequest.from_json(value["request"])
        return cls(
            model=ModelInfo(**value["model"], context=0, has_chat_template=False),
            request=request,
            grids=tuple(Grid.from_json(grid, request.kl_budget) for grid in (value, *value["more"])),
            complete=bool(value["complete"]),
            seconds=float(value["seconds"]),
            notes=tuple(map(str, value["notes"])),
        )


def grid_of(name: str, cells: Iterable[Cell], kl_budget: float) -> Grid:
    """Return the grid of some cells of every kind."""
    grid = Grid(name, kl_budget=kl_budget)
    for cell in cells:
        grid = grid.with_cell(cell)
    return grid


def best_cell(cells: Sequence[Cell], kl_budget: float, nothing: float = 0.0) -> Cell | None:
    """Return the sound cell to take: most of the concept within the budget, and of those that come near it least KL.

    Near is within a twentieth of the way from `nothing`, the baseline's place, to the most: past what texts need, more
    strength buys little of the concept for much harm. Where every strength is negative, least of the concept is wanted.
    """
    away = -1.0 if cells and all(max(cell.strengths) < 0 for cell in cells) else 1.0
    gains = [
        (away * (cell.concept - nothing), cell.kl_mean, cell)
        for cell in cells
        if cell.problem is None and cell.concept is not None and cell.kl_mean is not None and cell.kl_mean <= kl_budget
    ]
    if not gains:
        return None
    most = max(gain for gain, _, _ in gains)
    near = [entry for entry in gains if entry[0] >= most - _NEAR * abs(most)]
    return min(near, key=lambda entry: (round(entry[1], _DIGITS), -round(entry[0], _DIGITS)))[2]


def front_of(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells that no other one beats in both concept and KL, by rising KL; broken ones never are."""
    front: list[Cell] = []
    sound = [cell for cell in cells if cell.problem is None and cell.concept is not None and cell.kl_mean is not None]
    figures = {cell.key: (round(cell.kl_mean or 0.0, _DIGITS), round(cell.concept or 0.0, _DIGITS)) for cell in sound}
    for cell in sorted(sound, key=lambda cell: (figures[cell.key][0], -figures[cell.key][1])):
        if not front or figures[cell.key][1] > figures[front[-1].key][1]:
            front.append(cell)
    return tuple(front)


def band_of(values: Sequence[float]) -> Band | None:
    """Return the band of some random directions' values; None for fewer than two finite ones."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return None
    mean, count = fmean(finite), len(finite)
    reach = student_t(count - 1) * stdev(finite) * math.sqrt(1 + 1 / count)
    return Band(mean, mean - reach, mean + reach, count)


def student_t(freedom: int) -> float:
    """Return the two-sided 95% point of Student's t, within 1% from five degrees of freedom on (Cornish and Fisher)."""
    z = NormalDist().inv_cdf((1 + _COVERS) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def nats(value: float) -> str:
    """Return a divergence with its unit: `1 nat`, `0.5 nats`."""
    return f"{value:g} nat{'' if value == 1 else 's'}"


def _put(cells: tuple[Cell, ...], new: Cell) -> tuple[Cell, ...]:
    if all(cell.key != new.key for cell in cells):
        return (*cells, new)
    return tuple(new if cell.key == new.key else cell for cell in cells)
