"""Short work off the screen's thread: a daemon thread of its own, its result handed back to the screen.

Not Textual's workers: their executor is joined when the process ends, and a stuck one would hold it for seconds.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from textual.app import App

T = TypeVar("T")


NAME = "background"
"""Of the threads."""


def in_background(app: App[Any], work: Callable[[], T], then: Callable[[T], object]) -> None:
    """Run `work` in a thread and call `then` with its result on the screen's thread, if the screen is still there."""

    threading.Thread(target=partial(_do, app, work, then), daemon=True, name=NAME).start()


class InTurn:
    """Work off the screen's thread, one piece after the other; results are handed back in the order of asking.

    So what is asked after a change has seen it, and what was asked before is shown before it.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        """None while nothing is left to do."""

    def do(self, app: App[Any], work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Run `work` when all that was asked before is done, and call `then` as `in_background` does."""
        with self._lock:
            self._waiting.append(partial(_do, app, work, then))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name=NAME)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                piece = self._waiting.popleft()
            try:
                piece()
            except Exception:  # what waits must not wait for ever
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def finish(self, seconds: float) -> None:
        """Wait until all is done that was asked for, no longer than so many seconds."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(seconds)


def _do(app: App[Any], work: Callable[[], T], then: Callable[[T], object]) -> None:
    result = work()
    # Not `call_from_thread`: where the app has ended it makes a coroutine that nobody awaits, or waits for ever.
    with contextlib.suppress(RuntimeError):  # the loop of the app is closed
        app.call_later(then, result)
