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
class Means:
    """One text's tokens taken together, from the one on that the first generated token follows."""

    count: int = 0
    total: list[float] = field(default_factory=lambda: [0.0] * len(FIELDS))
    low: float = math.inf
    high: float = -math.inf

    def add(self, token: TokenStatistics) -> None:
        """Take in one token."""
        self.count += 1
        self.total = [total + value for total, value in zip(self.total, token, strict=True)]
        self.low, self.high = min(self.low, token.min), max(self.high, token.max)

    def whole(self) -> TokenStatistics | None:
        """Return means, and the least and greatest value of all; None before the first token."""
        if not self.count:
            return None
        mean, std, norm = (total / self.count for total in self.total[:3])
        return TokenStatistics(mean, std, norm, self.low, self.high)


@dataclass
class PointHistory:
    """One point in one run."""

    shape: tuple[int, ...] = ()
    rows: dict[int, deque[TokenStatistics]] = field(default_factory=dict)
    """0 the hooked text, 1 the unhooked one."""
    means: dict[int, Means] = field(default_factory=dict)
    count: int = 0
    """Tokens of the hooked text that were seen."""
    prompt: int = 0
    """Of them, those of the prompt."""
    is_whole: bool = False
    """Whether numbers are those of the whole text: it has ended."""

    def add(self, seen: Watched) -> None:
        """Take in what a step brought."""
        self.shape = seen.shape
        self.rows.setdefault(seen.row, deque(maxlen=KEPT)).extend(seen.tokens)
        means = self.means.setdefault(seen.row, Means())
        for token in seen.tokens[-1:] if means.count == 0 else seen.tokens:
            means.add(token)
        if seen.row == 0:
            self.prompt = self.prompt or len(seen.tokens)
            self.count += len(seen.tokens)

    def token(self, row: int = 0) -> TokenStatistics | None:
        """Return the newest token of a row, the whole text's numbers when it has ended; None before the first token."""
        if self.is_whole and row in self.means:
            return self.means[row].whole()
        tokens = self.rows.get(row)
        return tokens[-1] if tokens else None

    def value(self, name: str, row: int = 0) -> float:
        """Return one number of that token; NaN before the first."""
        token = self.token(row)
        return float(getattr(token, name)) if token is not None else NAN

    def shift(self, name: str) -> float:
        """Return how far hooks moved a number; NaN where there is nothing to compare with."""
        return self.value(name) - self.value(name, 1)

    def series(self, name: str, count: int, row: int = 0) -> list[float]:
        """Return a number of the last `count` tokens, oldest first."""
        tokens = self.rows.get(row) or deque()
        return [getattr(token, name) for token in list(tokens)[-count:]] if count > 0 else []

    def bounds(self, name: str, count: int) -> tuple[float, float]:
        """Return the least and greatest of both texts, so that their sparklines share a scale.

        The first token of a text is left out: many models park an activation there that dwarfs all others.
        """
        known: list[float] = []
        for row, tokens in self.rows.items():
            values = self.series(name, count, row)
            has_first = len(values) == len(tokens) < KEPT and len(values) > 1
            known += [value for value in (values[1:] if has_first else values) if math.isfinite(value)]
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

    def finish(self) -> None:
        """Let the numbers of whole texts take the place of the newest token's, which say little once it has ended."""
        for known in self._points.values():
            known.is_whole = True
