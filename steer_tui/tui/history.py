"""The newest activations of a run, as the table of layers needs them.

Keeps the statistics of the last tokens as they came; costs the same per token for 6 layers and for 80.
"""

from __future__ import annotations

import math
from collections import deque

from steer_tui.engine.types import Stats, Step

KEPT = 40
"""Tokens that a sparkline shows."""
NAN = math.nan


class ActivationHistory:
    """Statistics of the last tokens of both branches."""

    def __init__(self) -> None:
        self.steered: deque[Stats] = deque(maxlen=KEPT)
        self.baseline: Stats | None = None
        """Of the newest token of the unsteered text."""
        self.added_sum = 0.0
        self.added_count = 0

    def push(self, step: Step) -> None:
        """Take in one step."""
        if step.steered and step.steered.stats:
            self.steered.append(step.steered.stats)
            self._push_added(step.steered.stats)
        if step.baseline and step.baseline.stats:
            self.baseline = step.baseline.stats

    def _push_added(self, stats: Stats) -> None:
        touched = [value for value in stats.added if value > 0]
        if touched:
            self.added_sum += sum(touched) / len(touched)
            self.added_count += 1

    @property
    def newest(self) -> Stats | None:
        """Statistics of the newest steered token."""
        return self.steered[-1] if self.steered else None

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
