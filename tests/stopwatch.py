"""Seconds that something takes, less those in which the machine gave its threads no core or waited for its disk.

So a bound on them says the same on a machine that does nothing else and on one where six programs share a core and
pages of the interpreter have to be read again. Linux tells how long each thread stood in the queue for a core, and how
long anything stood still for the disk or for memory; elsewhere nothing is taken off.
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


def stood_still() -> float:
    """Return the seconds since the start of the machine in which something waited for the disk or for memory.

    And those in which the machine itself, where it is a virtual one, was given no core.
    """
    total = 0.0
    for what in ("io", "memory"):
        with suppress(OSError, ValueError, IndexError):
            first = Path(f"/proc/pressure/{what}").read_text().splitlines()[0]
            total += int(first.rpartition("total=")[2]) / 1e6
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/stat") as lines:
            total += int(lines.readline().split()[8]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)
    return total


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self, pid: int | None = None) -> None:
        """Start.

        Args:
            pid: Another process that does the work; by default it is this one.
        """
        self._pids = {os.getpid(), pid or os.getpid()}
        self._still = stood_still()
        self._before = self._read()
        self._now = dict(self._before)
        self._began = time.perf_counter()

    def _read(self) -> dict[int, float]:
        return {thread: seconds for pid in self._pids for thread, seconds in queued(pid).items()}

    def look(self) -> float:
        """Return the seconds so far; call it often where threads or the process end meanwhile."""
        passed = time.perf_counter() - self._began - (stood_still() - self._still)
        self._now |= self._read()
        return passed - sum(seconds - self._before.get(thread, 0.0) for thread, seconds in self._now.items())
