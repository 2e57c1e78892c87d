"""Keeps a state, such as the session, on disk a moment after each change, off the screen's thread.

Promises that the newest state is what lands last, and that a full disk is told once and ends nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

S = TypeVar("S")

PAUSE = 0.4
"""Seconds of quiet before a change is written."""


class Saver(Generic[S]):
    """One thread that writes the newest of the states it is given."""

    def __init__(self, write: Callable[[S], None], complain: Callable[[str], None]) -> None:
        self._write = write
        """Writes a state; raises OSError or SteerError where it cannot."""
        self._complain = complain
        """Called from the saving thread with why a state could not be written."""
        self._newest: S | None = None
        self._written: S | None = None
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._leaving = threading.Event()
        self._complained = False
        self._thread: threading.Thread | None = None

    def later(self, state: S) -> None:
        """Write this state soon, unless a newer one comes first."""
        self._newest = state
        self._changed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="session-saver")
            self._thread.start()

    def now(self) -> None:
        """Write the newest state if it is not written yet; any thread."""
        with self._lock:
            state = self._newest
            if state is None or state is self._written:
                return
            try:
                self._write(state)
                self._written, self._complained = state, False
            except Exception as error:  # whatever a disk can do wrong, the workbench goes on
                if not self._complained and not self._leaving.is_set():
                    self._complained = True
                    self._complain(str(error))

    def finish(self, timeout: float) -> None:
        """Write what is left, waiting no longer than `timeout` seconds for the disk."""
        self._leaving.set()
        last = threading.Thread(target=self.now, daemon=True)
        last.start()
        last.join(timeout)

    def _work(self) -> None:
        while not self._leaving.is_set():
            self._changed.wait()
            self._changed.clear()
            if self._leaving.wait(PAUSE):
                return
            self.now()
