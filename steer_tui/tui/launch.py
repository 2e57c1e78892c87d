"""From options to a running workbench, and back to the shell with the terminal as it was."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

from steer_tui.config import load_config
from steer_tui.options import Options
from steer_tui.paths import find_paths
from steer_tui.text import one_line
from steer_tui.tui.app import SteerApp
from steer_tui.tui.terminal import Departure, claimed, survive_odd_bytes

BUDGET = 0.9
"""Seconds from the request to leave until the process has ended."""


def run_app(options: Options) -> int:
    """Open the workbench and return the exit status; what was done is saved."""
    from steer_tui.session.log import logged
    from steer_tui.session.runner import Engine, leave

    paths = find_paths(options.data_dir)
    config = load_config(paths)
    survive_odd_bytes()
    with claimed(paths.log), logged():
        app = SteerApp(Engine(paths), paths, config, options)
        departure = Departure(app.leave_from_signal, app.saver.now)
        departure.install()
        status = app.run(mouse=options.mouse and config.mouse)
        deadline = time.monotonic() + BUDGET
        with contextlib.suppress(Exception):
            app.saver.finish(0.4)
            app.drafts.saver.finish(0.2)
            app.journal_work.finish(0.3)
        app.engine.shutdown(max(0.05, deadline - time.monotonic()))
    if app.fault is not None:
        _confess(app.fault, paths.log)
    return leave(status if isinstance(status, int) else app.return_code or 0)


def _confess(fault: Exception, log: Path) -> None:
    """Say on the shell's side what ended the screen; the traceback is in the log, which took the screen's stderr."""
    reason = one_line(f"{type(fault).__name__}: {fault}")
    sys.stderr.write(f"error: the workbench ended by a fault of its own: {reason}\n")
    sys.stderr.write(f"hint: your session is saved; {one_line(str(log))} has the details\n")
    sys.stderr.flush()
