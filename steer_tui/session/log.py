"""Where errors that nobody foresaw go, with their traceback. Imports next to nothing: the first frame waits for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from steer_tui.text import clean

log = logging.getLogger("steer_tui.session")
log.addHandler(logging.NullHandler())  # without one, logging writes to stderr, which is the screen


class _Clean(logging.Formatter):
    """What was raised may quote anything: no control character goes to a file that people look at in a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


@contextmanager
def logged() -> Iterator[None]:
    """Write to descriptor 2, which is the log file while the screen has the terminal."""
    with open(2, "w", encoding="utf-8", errors="replace", closefd=False) as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_Clean("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
