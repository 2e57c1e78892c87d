"""Seconds that something takes, less those in which the machine gave its threads no core.

So a bound on them says the same on a machine that does nothing else and on one where six programs share a core.
Linux tells how long each thread stood in the queue for a core; elsewhere nothing is taken off.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path


def queued(pid: int) -> dict[int, float]:
    """Return thread id -> seconds it has waited for a core since it began; of a process that is gone, nothing."""
    found: dict[int, float] = {}
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, ValueError, IndexError):
                found[int(task.name)] = int((task / "schedstat").read_text().split()[1]) / 1e9
    return found


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self, pid: int | None = None) -> None:
        """Start.

        Args:
            pid: Another process that does the work; by default it is this one.
        """
        self._pids = {os.getpid(), pid or os.getpid()}
        self._before = self._read()
        self._now = dict(self._before)
        self._began = time.perf_counter()

    def _read(self) -> dict[int, float]:
        return {thread: seconds for pid in self._pids for thread, seconds in queued(pid).items()}

    def look(self) -> float:
        """Return the seconds so far; call it often where threads or the process end meanwhile."""
        passed = time.perf_counter() - self._began
        self._now |= self._read()
        return passed - sum(seconds - self._before.get(thread, 0.0) for thread, seconds in self._now.items())
