"""The program's own threads, and the way out of a process in which one of them is still at work.

A thread inside torch when the interpreter ends aborts the process; `leave` is why that never happens.
"""

from __future__ import annotations

import ctypes
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


class Interrupted(SystemExit):
    """Raised inside a thread that is held by code of the user's; a kind that `except Exception` there does not hide."""

    def __init__(self) -> None:
        super().__init__("it did not stop when it was asked to")


def interrupt(thread: threading.Thread) -> None:
    """Raise Interrupted in a thread at its next step of Python; inside a long call of C it waits for the call's end."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted))


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
