"""Where a hook of the kind `log` writes: to descriptor 2, stderr on the command line and the log in the workbench.

A library that uses hooks of its own logs through `logging` as it likes; this is only for hooks that a person picked.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from functools import cache

from steer_tui.text import one_line

LEVEL = logging.INFO


class LineHandler(logging.Handler):
    """Writes one line for each record, straight to the descriptor: a screen may have put itself in stderr's place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; a descriptor that is closed is let be."""
        with suppress(OSError):
            os.write(2, f"{one_line(self.format(record))}\n".encode("utf-8", "replace"))


@cache
def hook_logger() -> logging.Logger:
    """Return the logger that writes these lines and nothing else."""
    logger = logging.getLogger("steer_tui.hooks.lines")
    logger.setLevel(LEVEL)
    logger.propagate = False
    handler = LineHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    return logger
