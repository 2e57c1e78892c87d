"""What watched points saw in the run that streams: the newest tokens of each, with and without hooks. No widgets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from steer_tui.engine.hookvalues import TokenStatistics, Watched

KEPT = 256
"""Tokens of which sparklines may tell."""
FIELDS = ("mean", "std", "norm", "min", "max")
NAN = math.nan


@dataclass
class PointHistory:
    """One point in one run."""

    shape: tuple[int, ...] = ()
    rows: dict[int, deque[TokenStatistics]] = field(default_factory=dict)
    """0 the hooked text, 1 the unhooked one."""
    count: int = 0
    """Tokens of the hooked text that were seen."""

    def add(self, seen: Watched) -> None:
        """Take in what a step brought."""
        self.shape = seen.shape
        self.rows.setdefault(seen.row, deque(maxlen=KEPT)).extend(seen.tokens)
        if seen.row == 0:
            self.count += len(seen.tokens)

    def newest(self, row: int = 0) -> TokenStatistics | None:
        """Return the newest token of a row; None before the first."""
        tokens = self.rows.get(row)
        return tokens[-1] if tokens else None

    def value(self, name: str, row: int = 0) -> float:
        """Return one number of the newest token; NaN before the first."""
        token = self.newest(row)
        return getattr(token, name) if token is not None else NAN

    def shift(self, name: str) -> float:
        """Return how far hooks moved a number of the newest token; NaN where there is nothing to compare with."""
        return self.value(name) - self.value(name, 1)

    def series(self, name: str, count: int, row: int = 0) -> list[float]:
        """Return a number of the last `count` tokens, oldest first."""
        tokens = self.rows.get(row) or deque()
        return [getattr(token, name) for token in list(tokens)[-count:]] if count > 0 else []

    def bounds(self, name: str, count: int) -> tuple[float, float]:
        """Return the least and the greatest of both texts, so that their sparklines share a scale."""
        known = [value for row in self.rows for value in self.series(name, count, row) if math.isfinite(value)]
        low, high = min(known, default=0.0), max(known, default=1.0)
        return (low, high) if high > low else (low - 1.0, high + 1.0)


class WatchHistory:
    """Every watched point of one run."""

    def __init__(self) -> None:
        self._points: dict[str, PointHistory] = {}

    def push(self, watched: Iterable[Watched]) -> bool:
        """Take in what steps brought; return whether there was anything."""
        has_any = False
        for seen in watched:
            has_any = True
            self._points.setdefault(seen.point, PointHistory()).add(seen)
        return has_any

    def of(self, point: str) -> PointHistory:
        """Return what is known of a point; empty before its first token."""
        return self._points.get(point) or PointHistory()
