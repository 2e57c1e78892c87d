"""What the engine thread does with each command: load, generate, extract.

Owns the model. Promises that every command ends with exactly one closing event, whatever is raised, and that the model
that was there stays usable. Knows nothing of queues or screens.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from steer_tui.engine.models import remember_model
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.types import ModelInfo, Request, RunResult, Step, Text
from steer_tui.errors import Cancelled, LibraryError, ModelError, SteerError
from steer_tui.library.concepts import Concept
from steer_tui.paths import Paths
from steer_tui.session.journal_writer import JournalWriter
from steer_tui.session.messages import (
    ExtractConcepts,
    ExtractFinished,
    ExtractProgress,
    Generate,
    LoadFailed,
    LoadModel,
    LoadProgress,
    ModelLoaded,
    Notice,
    RecipeRefused,
    RunFailed,
    RunFinished,
    RunStarted,
    RunSteps,
    VectorsChanged,
)
from steer_tui.session.shelf import Shelf, Store
from steer_tui.session.speed import Speed
from steer_tui.session.task import Task
from steer_tui.session.tools import Tools
from steer_tui.session.troubles import explain, is_out_of_memory, release_memory, smaller_model
from steer_tui.text import clean

# A library that calls sys.exit must not end the thread; what ends the interpreter may.
Failure = (Exception, SystemExit)


class Worker:
    """Does commands one after the other, on one thread."""

    def __init__(self, paths: Paths, tools: Tools, store: Store, journal: JournalWriter) -> None:
        self._paths, self._tools, self._store, self._journal = paths, tools, store, journal
        self._lm: Any = None
        """The `LanguageModel` in use, None before the first."""
        self._shelf: Shelf | None = None

    def do(self, task: Task) -> None:
        """Do one command to its end."""
        match task.command:
            case LoadModel():
                self._load(task, task.command)
            case Generate():
                self._generate(task, task.command)
            case ExtractConcepts():
                self._extract(task, task.command)

    # Loading

    def _load(self, task: Task, command: LoadModel) -> None:
        ref = command.ref
        try:
            self._replace_model(task, command)
        except Cancelled:
            task.end(LoadFailed(ref, "loading was stopped", None, cancelled=True))
        except Failure as error:
            message, hint = explain(error, f"loading {ref}")
            smaller = smaller_model(ref, self._tools.models) if is_out_of_memory(error) else None
            task.end(LoadFailed(ref, message, hint, smaller=smaller))
        release_memory()  # of the old model, or of a new one that nobody wants any more

    def _replace_model(self, task: Task, command: LoadModel) -> None:
        if task.is_stopped:
            raise Cancelled("stopped before it began")
        task.say(LoadProgress(command.ref, None, ""))
        lm = self._tools.load(
            command.ref,
            device=command.device,
            dtype=command.dtype,
            device_map=command.device_map,
            offline=command.offline,
            on_progress=lambda fraction, note: task.say(LoadProgress(command.ref, fraction, clean(note))),
            should_stop=lambda: task.is_stopped,
        )
        shelf = Shelf(self._paths, self._store, lm.info)
        if task.end(ModelLoaded(lm.info, shelf.summaries())):
            self._lm, self._shelf = lm, shelf
            with suppress(LibraryError):  # session and journal lie on the same disk and are worth a word; this is not
                remember_model(self._paths, lm.info.ref)

    # Generating

    def _generate(self, task: Task, command: Generate) -> None:
        run_id, request = command.run_id, command.request
        try:
            info, shelf = self._ready()
            self._make_missing(task, shelf, request)
            if task.is_stopped:
                task.end(RunFinished(run_id, _nothing(info, request)))
                return
            result = self._stream(task, command, shelf)
            self._journal.finish(run_id, result)
            task.end(RunFinished(run_id, result))
        except Failure as error:
            if isinstance(error, Cancelled) and self._lm is not None:
                task.end(RunFinished(run_id, _nothing(self._lm.info, request)))
                return
            message, hint = explain(error, "a run")
            self._journal.fail(run_id, message)
            task.end(RunFailed(run_id, message, hint))
            if is_out_of_memory(error):
                release_memory()

    def _stream(self, task: Task, command: Generate, shelf: Shelf) -> RunResult:
        run_id, request = command.run_id, command.request
        controls = self._tools.controls(lambda error: _refuse(task, error))
        task.attach(controls)
        task.say(RunStarted(run_id, request, clean(request.prompt)))
        self._journal.begin(run_id, self._lm.info, request)
        speed = Speed()

        def tell(step: Step) -> None:
            task.say(RunSteps(run_id, (step,), speed.tick()))
            self._journal.step(run_id, step)

        result: RunResult = self._tools.generate(self._lm, request, shelf.vectors, on_step=tell, controls=controls)
        return result

    def _make_missing(self, task: Task, shelf: Shelf, request: Request) -> None:
        """Make the vectors that a request names and that are not there yet."""
        recipes = [request.recipe, *(change.recipe for change in request.changes)]
        concepts = shelf.missing(name for recipe in recipes for name in parse_recipe(recipe).names)
        if not concepts or task.is_stopped:
            return
        try:
            names, trouble = self._make(task, shelf, concepts)
        except BaseException:
            task.say(ExtractFinished(()))
            raise
        task.say(ExtractFinished(names))
        if trouble is not None:
            task.say(Notice(f"the new vectors could not be kept: {trouble.message}", trouble.hint))

    # Extracting

    def _extract(self, task: Task, command: ExtractConcepts) -> None:
        try:
            _, shelf = self._ready()
            concepts = shelf.chosen(command.names)
            names, trouble = self._make(task, shelf, concepts) if concepts else ((), None)
            if trouble is None:
                task.end(ExtractFinished(names))
            else:
                task.end(ExtractFinished(names, f"could not be kept: {trouble.message}", trouble.hint))
        except Cancelled:
            task.end(ExtractFinished(()))
        except Failure as error:
            message, hint = explain(error, "making vectors")
            task.end(ExtractFinished((), message, hint))
            if is_out_of_memory(error):
                release_memory()

    def _make(self, task: Task, shelf: Shelf, concepts: list[Concept]) -> tuple[tuple[str, ...], SteerError | None]:
        """Make vectors and keep them; return their names, and why one could not be kept."""
        if task.is_stopped:
            raise Cancelled("stopped before it began")
        task.say(ExtractProgress(0, _text_count(concepts)))
        made = self._tools.extract(
            self._lm,
            concepts,
            on_progress=lambda done, total: task.say(ExtractProgress(done, total)),
            should_stop=lambda: task.is_stopped,
        )
        trouble = shelf.keep(made)
        task.say(VectorsChanged(shelf.summaries()))
        return tuple(made), trouble

    def _ready(self) -> tuple[ModelInfo, Shelf]:
        if self._lm is None or self._shelf is None:
            raise ModelError("no model is loaded", hint="`m` chooses one")
        return self._lm.info, self._shelf


def _refuse(task: Task, error: SteerError) -> None:
    message, hint = explain(error, "a live change")
    task.say(RecipeRefused(message, hint))


def _text_count(concepts: Iterable[Concept]) -> int:
    return len({text for concept in concepts for text in (*concept.positive, *concept.negative)})


def _nothing(info: ModelInfo, request: Request) -> RunResult:
    """Return the result of a run that was stopped before it began."""
    empty = Text("", (), (), "cancelled")
    baseline = empty if request.baseline else None
    return RunResult(info, request, (), empty, baseline, ((), () if request.baseline else None), None, 0.0, 0.0)
