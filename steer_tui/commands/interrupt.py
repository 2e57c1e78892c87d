"""Ctrl+C during long work: the first one ends it where nothing is lost, the second one ends the program."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Stops(Protocol):
    """What can be asked to stop."""

    def stop(self) -> None:
        """End the work before its next step."""


@contextmanager
def stoppable(work: Stops) -> Iterator[None]:
    """Let the first Ctrl+C end the work before its next step, and the second one end the program."""

    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        work.stop()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
