"""The program's own threads, and the way out of a process in which one of them is still at work.

A thread inside torch when the interpreter ends aborts the process; `leave` is why that never happens.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress

_THREADS: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def spawn(name: str, target: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread that `leave` knows of."""
    thread = threading.Thread(target=target, name=f"steer-tui-{name}", daemon=True)
    _THREADS.add(thread)
    thread.start()
    return thread


def leave(status: int) -> int:
    """Return `status` if all threads that `spawn` started have ended; otherwise end the process with it, at once.

    The last thing to call: nothing that was registered to happen at exit happens in the second case.
    """
    if not any(thread.is_alive() for thread in _THREADS):
        return status
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(Exception):
            stream.flush()  # type: ignore[union-attr]
    with suppress(Exception):
        logging.shutdown()
    os._exit(status)
