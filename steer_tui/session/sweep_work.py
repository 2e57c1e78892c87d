"""Sweeps on the engine thread: every finished cell goes to the screen and to the journal at once.

Promises one closing event per sweep, whatever is raised, and that no finished cell is lost. Knows nothing of screens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steer_tui.engine.out_of_memory import is_out_of_memory
from steer_tui.engine.sweepgrid import SweepResult
from steer_tui.engine.sweeptypes import Cell, SweepProgress
from steer_tui.errors import Cancelled
from steer_tui.session.messages import Command
from steer_tui.session.shelf import Shelf
from steer_tui.session.sweep_messages import RunSweep, SweepCells, SweepFailed, SweepFinished, SweepStarted, SweepWent
from steer_tui.session.task import Task
from steer_tui.session.troubles import explain, release_memory
from steer_tui.session.workshop import Workshop
from steer_tui.text import clean


@dataclass(frozen=True, slots=True)
class _End:
    """How a sweep ended, as the journal keeps it."""

    uid: str
    complete: bool
    best: str
    seconds: float
    notes: tuple[str, ...] = ()


class SweepWork:
    """Does `RunSweep`."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def handlers(self) -> Mapping[type[Command], Callable[[Task, Any], None]]:
        """Return what does each command."""
        return {RunSweep: self._run}

    def _run(self, task: Task, command: RunSweep) -> None:
        uid, began = command.uid, time.monotonic()
        try:
            info, shelf = self._shop.ready()
            command.request.check()
            self._shop.make_missing(task, shelf, command.request.concepts)
            if task.is_stopped:
                raise Cancelled("stopped before it began")
            self._shop.journal.write(lambda journal: journal.sweeps.begin(uid, info, command.request, command.done))
            result = self._sweep(task, command, shelf)
            best = next((grid.best.recipe for grid in result.grids if grid.best), "")
            notes = tuple(map(clean, result.notes))
            self._end(task, _End(uid, result.complete, best, time.monotonic() - began, notes))
        except Cancelled:
            task.end(SweepFinished(uid, False, 0.0))
        except BaseException as error:
            message, hint = explain(error, "a sweep")
            self._shop.journal.write(lambda journal: journal.sweeps.fail(uid, message))
            task.end(SweepFailed(uid, message, hint))
            if is_out_of_memory(error):
                release_memory()

    def _end(self, task: Task, end: _End) -> None:
        self._shop.journal.write(
            lambda journal: journal.sweeps.finish(end.uid, end.complete, end.best, end.seconds, end.notes)
        )
        task.end(SweepFinished(end.uid, end.complete, end.seconds, end.notes))

    def _sweep(self, task: Task, command: RunSweep, shelf: Shelf) -> SweepResult:
        shop, uid = self._shop, command.uid
        controls = shop.tools.controls(lambda error: None)
        task.attach(controls)
        task.say(SweepStarted(uid, command.request, shop.lm.info))

        def take(cell: Cell) -> None:
            shop.journal.write(lambda journal: journal.sweeps.keep(uid, (cell,)))
            task.say(SweepCells(uid, (cell,)))

        def tell(progress: SweepProgress) -> None:
            task.say(SweepWent(uid, progress))
            shop.interlude()

        shop.is_streaming = True
        try:
            result: SweepResult = shop.tools.sweep(
                shop.lm,
                command.request,
                shelf.vectors,
                examples=shelf.concepts(command.request.concepts),
                on_cell=take,
                on_progress=tell,
                controls=controls,
                done={cell.key: cell for cell in command.done},
            )
        finally:
            shop.is_streaming = False
        return result
