"""The newest activations of a run, as the table of layers needs them.

Keeps the statistics of the last tokens as they came; costs the same per token for 6 layers and for 80.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from steer_tui.engine.types import Stats, Step

KEPT = 40
"""Tokens that a sparkline shows."""
NAN = math.nan


class Means:
    """Means of statistics over the tokens of one branch."""

    def __init__(self) -> None:
        self.count = 0
        self._first: Stats | None = None
        self._sums: list[list[float]] = []
        self._places: dict[str, list[float]] = {}
        self._place_counts: dict[str, int] = {}

    def add(self, stats: Stats) -> None:
        """Take in one token; tokens of other layers than those before begin anew."""
        values = (stats.mean, stats.std, stats.norm)
        if self._first is None or self._first.layers != stats.layers:
            self._first, self._sums = stats, [list(column) for column in values]
            self._places, self._place_counts, self.count = {}, {}, 0
        else:
            self._sums = [_added(total, column) for total, column in zip(self._sums, values, strict=True)]
        for name, column in stats.places.items():
            self._places[name] = _added(self._places[name], column) if name in self._places else list(column)
            self._place_counts[name] = self._place_counts.get(name, 0) + 1
        self.count += 1

    def stats(self) -> Stats | None:
        """Return the means; None before the first token."""
        if self._first is None:
            return None
        mean, std, norm = (tuple(total / self.count for total in column) for column in self._sums)
        places = {
            name: tuple(total / self._place_counts[name] for total in column) for name, column in self._places.items()
        }
        return Stats(self._first.layers, mean, std, norm, places, self._first.added)


def _added(totals: list[float], column: Sequence[float]) -> list[float]:
    return [total + value for total, value in zip(totals, column, strict=True)]


class ActivationHistory:
    """Statistics of the last tokens of both branches, and their means over the run."""

    def __init__(self) -> None:
        self.steered: deque[Stats] = deque(maxlen=KEPT)
        self.baseline: Stats | None = None
        """Of the newest token of the unsteered text; of the whole text when the run has ended."""
        self.is_finished = False
        """Whether `newest` and `baseline` are means over the run."""
        self._means = Means(), Means()
        self._whole: Stats | None = None
        self.added_sum = 0.0
        self.added_count = 0

    def push(self, step: Step) -> None:
        """Take in one step."""
        if step.steered and step.steered.stats:
            self.steered.append(step.steered.stats)
            self._means[0].add(step.steered.stats)
            self._push_added(step.steered.stats)
        if step.baseline and step.baseline.stats:
            self.baseline = step.baseline.stats
            self._means[1].add(step.baseline.stats)

    def finish(self) -> None:
        """Let means over the run take the place of the newest token, which says little once nothing follows it."""
        if self.steered:
            self.is_finished = True
            self._whole, self.baseline = self._means[0].stats(), self._means[1].stats()

    @property
    def count(self) -> int:
        """Steered tokens that were seen."""
        return self._means[0].count

    def _push_added(self, stats: Stats) -> None:
        touched = [value for value in stats.added if value > 0]
        if touched:
            self.added_sum += sum(touched) / len(touched)
            self.added_count += 1

    @property
    def newest(self) -> Stats | None:
        """Statistics of the newest steered token; means over the run when it has ended."""
        return self._whole or (self.steered[-1] if self.steered else None)

    @property
    def added(self) -> float:
        """Mean of ||added|| / ||residual|| over steered layers and tokens of the run; NaN where nothing was added."""
        return self.added_sum / self.added_count if self.added_count else NAN

    def place(self, concept: str, row: int) -> float:
        """Return the newest place on a concept's scale at a row of the table; NaN where there is none."""
        return _place(self.newest, concept, row)

    def shift(self, concept: str, row: int) -> float:
        """Return how far steering moved a row: its place less the baseline's, or its norm where no concept is given."""
        if self.newest is None or self.baseline is None:
            return NAN
        if concept:
            return self.place(concept, row) - _place(self.baseline, concept, row)
        return self.newest.norm[row] - self.baseline.norm[row]

    def series(self, concept: str, row: int, count: int) -> list[float]:
        """Return the last `count` places of a row, oldest first; norms where no concept is given."""
        newest = list(self.steered)[-count:]
        return [_place(stats, concept, row) if concept else stats.norm[row] for stats in newest]

    def bounds(self, concept: str) -> tuple[float, float]:
        """Return the ends of the scale that all sparklines share: 0 and 1 at least, and whatever lies beyond."""
        known = [value for stats in self.steered for value in stats.places.get(concept, ()) if math.isfinite(value)]
        return min([0.0, *known]), max([1.0, *known])


def _place(stats: Stats | None, concept: str, row: int) -> float:
    if stats is None:
        return NAN
    places = stats.places.get(concept, ())
    return places[row] if row < len(places) else NAN
