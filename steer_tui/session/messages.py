"""What crosses between the screen and the engine thread: commands down, events up. Frozen plain values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from steer_tui.engine.types import ModelInfo, Request, RunResult, Step


class Event:
    """Something that happened on the engine thread."""

    __slots__ = ()

    def supersedes(self, last: Event) -> bool:
        """Return whether `last`, which nobody has read yet, need not be read any more."""
        return False


class Command:
    """Something for the engine thread to do."""

    __slots__ = ()
    is_work: ClassVar[bool] = True
    """Whether `Engine.stop_run` stops it, and loading another model."""
    is_quick: ClassVar[bool] = False
    """Whether it is done between two tokens of a text that streams, instead of waiting for its end."""

    def refused(self, message: str, hint: str | None) -> Event:
        """Return the event that closes the command where it cannot be done."""
        raise NotImplementedError


# Commands, from the screen to the engine thread.


@dataclass(frozen=True, slots=True)
class LoadModel(Command):
    """Load a model; the one in use stays usable until the new one is ready."""

    is_work: ClassVar[bool] = False
    ref: str
    device: str = "auto"
    dtype: str = "auto"
    device_map: str | None = None
    offline: bool = False

    def refused(self, message: str, hint: str | None) -> Event:
        """Return LoadFailed."""
        return LoadFailed(self.ref, message, hint)


@dataclass(frozen=True, slots=True)
class Generate(Command):
    """Stream a generation."""

    run_id: int
    request: Request

    def refused(self, message: str, hint: str | None) -> Event:
        """Return RunFailed."""
        return RunFailed(self.run_id, message, hint)


@dataclass(frozen=True, slots=True)
class ExtractConcepts(Command):
    """Make vectors of the named concepts for the loaded model, in one batched pass; empty means all that lack one."""

    names: tuple[str, ...] = ()

    def refused(self, message: str, hint: str | None) -> Event:
        """Return ExtractFinished."""
        return ExtractFinished((), message, hint)


# Events, from the engine thread to the screen.


@dataclass(frozen=True, slots=True)
class EngineReady(Event):
    """torch is imported; commands are being read."""


@dataclass(frozen=True, slots=True)
class LoadProgress(Event):
    """Loading goes on; `fraction` (0 to 1) is None while it cannot be told."""

    ref: str
    fraction: float | None
    note: str

    def supersedes(self, last: Event) -> bool:
        """Only the newest progress of a load counts."""
        return isinstance(last, LoadProgress) and last.ref == self.ref


@dataclass(frozen=True, slots=True)
class VectorSummary:
    """A concept as the Concepts pane needs it: one that has a vector for the loaded model, or could get one."""

    name: str
    group: str
    description: str
    has_vector: bool
    best_layers: tuple[int, ...]
    default_recipe: str
    """A term that is known to work, such as `happy:2@3-4`; the bare name where none was measured."""
    bundled: bool
    problem: str | None = None
    """Why it cannot be used, None where it can."""
    warning: str | None = None
    """Why it may not do what it promises, such as other weights of the same model; None where it should."""
    is_concept: bool = True
    """Whether there are examples, from which a vector can be made anew."""


@dataclass(frozen=True, slots=True)
class ModelLoaded(Event):
    """A model is ready, with the concepts that can steer it."""

    info: ModelInfo
    vectors: tuple[VectorSummary, ...]


@dataclass(frozen=True, slots=True)
class VectorsChanged(Event):
    """The list of concepts for the loaded model is now this."""

    vectors: tuple[VectorSummary, ...]


@dataclass(frozen=True, slots=True)
class LoadFailed(Event):
    """Loading ended without a model; the model there was is still in use."""

    ref: str
    message: str
    hint: str | None
    cancelled: bool = False
    smaller: str | None = None
    """A smaller model to offer after running out of memory."""


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The first step of a run is about to be computed."""

    run_id: int
    request: Request
    prompt_text: str
    """The prompt as it is continued, cleaned."""


@dataclass(frozen=True, slots=True)
class RunSteps(Event):
    """Steps since the last drain, oldest first: the outbox coalesces them into one event."""

    run_id: int
    steps: tuple[Step, ...]
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The run ended by itself or was stopped, perhaps before RunStarted; `result.steered.finish` says which."""

    run_id: int
    result: RunResult


@dataclass(frozen=True, slots=True)
class RunFailed(Event):
    """The run ended by an error, perhaps before RunStarted; the model is clean and usable."""

    run_id: int
    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class ExtractProgress(Event):
    """Texts read so far of all texts of an extraction."""

    done: int
    total: int

    def supersedes(self, last: Event) -> bool:
        """Only the newest progress counts."""
        return isinstance(last, ExtractProgress)


@dataclass(frozen=True, slots=True)
class ExtractFinished(Event):
    """An extraction ended; VectorsChanged came before it if any vector was made."""

    names: tuple[str, ...]
    """The vectors that were made; empty where it was stopped or failed, and where another event tells of them."""
    message: str | None = None
    """What went wrong, None where all went well and where it was stopped."""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class RecipeRefused(Event):
    """A live change could not be applied; the recipe in force stays."""

    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something to know that stops nothing, such as a journal that cannot be written."""

    message: str
    hint: str | None = None
