"""What crosses between the screen and the engine thread about sweeps. Frozen plain values only."""

from __future__ import annotations

from dataclasses import dataclass

from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeptypes import Cell, SweepProgress
from steer_tui.engine.types import ModelInfo
from steer_tui.session.messages import Command, Event


@dataclass(frozen=True, slots=True)
class RunSweep(Command):
    """Run the cells of a sweep that are not done yet."""

    uid: str
    """The sweep's name in the journal, made once; a sweep that is resumed keeps it."""
    request: SweepRequest
    done: tuple[Cell, ...] = ()
    """Finished cells of every kind; none of them is run again."""

    def refused(self, message: str, hint: str | None) -> Event:
        """Return SweepFailed."""
        return SweepFailed(self.uid, message, hint)


@dataclass(frozen=True, slots=True)
class SweepStarted(Event):
    """The first batch of a sweep is about to be computed."""

    uid: str
    request: SweepRequest
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class SweepCells(Event):
    """Cells that have finished, of any kind, oldest first."""

    uid: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class SweepWent(Event):
    """A sweep goes on."""

    uid: str
    progress: SweepProgress

    def supersedes(self, last: Event) -> bool:
        """Only the newest progress of a sweep counts."""
        return isinstance(last, SweepWent) and last.uid == self.uid


@dataclass(frozen=True, slots=True)
class SweepFinished(Event):
    """A sweep ended by itself or was stopped, perhaps before SweepStarted; every cell came before by SweepCells."""

    uid: str
    complete: bool
    """False where it was stopped."""
    seconds: float
    """Of this time; what a resumed sweep took before is not in it."""
    notes: tuple[str, ...] = ()
    """What the user should know of how it went."""


@dataclass(frozen=True, slots=True)
class SweepFailed(Event):
    """A sweep ended by an error, perhaps before SweepStarted; the model is clean, finished cells are kept."""

    uid: str
    message: str
    hint: str | None
