"""Short work off the screen's thread: a daemon thread of its own, its result handed back to the screen.

Not Textual's workers: their executor is joined when the process ends, and a stuck one would hold it for seconds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from textual.app import App

T = TypeVar("T")


NAME = "background"
"""Of the threads."""


def in_background(app: App[Any], work: Callable[[], T], then: Callable[[T], object]) -> None:
    """Run `work` in a thread and call `then` with its result on the screen's thread, if the screen is still there."""

    def run() -> None:
        result = work()
        # Not `call_from_thread`: where the app has ended it makes a coroutine that nobody awaits, or waits for ever.
        with contextlib.suppress(RuntimeError):  # the loop of the app is closed
            app.call_later(then, result)

    threading.Thread(target=run, daemon=True, name=NAME).start()
