"""Tokens per second over the last moments of a run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 2.0
LEAST = 8
"""Ticks that are looked back on however slow they come, so that a slow model shows a steady number."""


class Speed:
    """Counts ticks over a sliding window; the first only starts the clock, so that reading a prompt does not count."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def tick(self) -> float:
        """Note that a token came; return tokens per second, 0 for the first."""
        now = self._clock()
        self._times.append(now)
        while len(self._times) > LEAST and now - self._times[0] > WINDOW_SECONDS:
            self._times.popleft()
        passed = now - self._times[0]
        return (len(self._times) - 1) / passed if passed > 0 else 0.0
