"""What all work on the engine thread shares: the model in use, its vectors, the engine's functions, the journal.

Owns the model. Knows nothing of queues or screens, and of commands only that a task can be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from steer_tui.engine.types import ModelInfo
from steer_tui.errors import Cancelled, ModelError, SteerError
from steer_tui.library.concepts import Concept
from steer_tui.paths import Paths
from steer_tui.session.journal_writer import JournalWriter
from steer_tui.session.messages import ExtractFinished, ExtractProgress, Notice, VectorsChanged
from steer_tui.session.shelf import Shelf, Store
from steer_tui.session.task import Task
from steer_tui.session.tools import Tools

if TYPE_CHECKING:
    from steer_tui.engine.vector import SteeringVector


class Workshop:
    """The model and what is needed to work on it."""

    def __init__(self, paths: Paths, tools: Tools, store: Store, journal: JournalWriter) -> None:
        self.paths, self.tools, self.store, self.journal = paths, tools, store, journal
        self.lm: Any = None
        """The `LanguageModel` in use, None before the first."""
        self.shelf: Shelf | None = None
        self.is_streaming = False
        """Whether a text is being generated: a pass of one's own through the model would be in its way."""
        self.interlude: Callable[[], None] = lambda: None
        """Does what is quick and waits; called between two tokens."""

    def ready(self) -> tuple[ModelInfo, Shelf]:
        """Return what the model in use says of itself, and its vectors.

        Raises:
            ModelError: No model is loaded.
        """
        if self.lm is None or self.shelf is None:
            raise ModelError("no model is loaded", hint="`m` chooses one")
        return self.lm.info, self.shelf

    def make(self, task: Task, shelf: Shelf, concepts: list[Concept]) -> tuple[tuple[str, ...], SteerError | None]:
        """Make vectors of concepts and keep them; return their names, and why one could not be kept.

        Raises:
            Cancelled: The task was stopped.
            SteerError: They could not be made.
        """
        made = self.extract(task, concepts)
        trouble = shelf.keep(made)
        task.say(VectorsChanged(shelf.summaries()))
        return tuple(made), trouble

    def make_missing(self, task: Task, shelf: Shelf, names: Sequence[str]) -> None:
        """Make the vectors of these names that are not there yet.

        Raises:
            Cancelled: The task was stopped.
            SteerError: They could not be made.
        """
        concepts = shelf.missing(names)
        if not concepts or task.is_stopped:
            return
        try:
            made, trouble = self.make(task, shelf, concepts)
        except BaseException:
            task.say(ExtractFinished(()))
            raise
        task.say(ExtractFinished(made))
        if trouble is not None:
            task.say(Notice(f"the new vectors could not be kept: {trouble.message}", trouble.hint))

    def extract(self, task: Task, concepts: Sequence[Concept], **how: str) -> dict[str, SteeringVector]:
        """Make vectors of concepts and return them by name; nothing is kept.

        Args:
            task: Is told how far it is, and asked whether to go on.
            concepts: At least one.
            how: `method` and `read`, as the engine's `extract` takes them.

        Raises:
            Cancelled: The task was stopped.
            SteerError: They could not be made.
        """
        if task.is_stopped:
            raise Cancelled("stopped before it began")
        task.say(ExtractProgress(0, _text_count(concepts)))
        made: dict[str, SteeringVector] = self.tools.extract(
            self.lm,
            concepts,
            on_progress=lambda done, total: task.say(ExtractProgress(done, total)),
            should_stop=lambda: task.is_stopped,
            **how,
        )
        return made


def _text_count(concepts: Iterable[Concept]) -> int:
    return len({text for concept in concepts for text in (*concept.positive, *concept.negative)})
