"""What the engine thread does with each command: load, generate, extract.

Promises that every command ends with exactly one closing event, whatever is raised, and that the model that was there
stays usable. Knows nothing of queues or screens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from steer_tui.engine.hookvalues import vector_names
from steer_tui.engine.models import remember_model
from steer_tui.engine.out_of_memory import is_out_of_memory
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.types import ModelInfo, Request, RunResult, Step, Text
from steer_tui.errors import Cancelled, LibraryError, SteerError
from steer_tui.session.hook_work import HookWork, with_digest
from steer_tui.session.library_making import LibraryMaking
from steer_tui.session.library_work import LibraryWork
from steer_tui.session.messages import (
    Command,
    ExtractConcepts,
    ExtractFinished,
    Generate,
    LoadFailed,
    LoadModel,
    LoadProgress,
    ModelLoaded,
    RecipeRefused,
    RunFailed,
    RunFinished,
    RunStarted,
    RunSteps,
)
from steer_tui.session.shelf import Shelf
from steer_tui.session.speed import Speed
from steer_tui.session.sweep_work import SweepWork
from steer_tui.session.task import Task
from steer_tui.session.troubles import explain, release_memory, smaller_model
from steer_tui.session.workshop import Workshop
from steer_tui.text import clean

# A library that calls sys.exit must not end the thread; what ends the interpreter may.
Failure = (Exception, SystemExit)


Handler = Callable[[Task, Any], None]


class Section(Protocol):
    """A kind of work with commands of its own."""

    def handlers(self) -> Mapping[type[Command], Handler]:
        """Return what does each command; a handler ends its task with the command's closing event."""


SECTIONS: tuple[Callable[[Workshop], Section], ...] = (HookWork, SweepWork, LibraryWork, LibraryMaking)
"""The kinds of work beside loading, generating and making vectors of concepts."""


class Worker:
    """Does commands one after the other, on one thread."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._handlers: dict[type[Command], Handler] = {
            LoadModel: self._load,
            Generate: self._generate,
            ExtractConcepts: self._extract,
        }
        for section in SECTIONS:
            self._handlers.update(section(shop).handlers())

    def do(self, task: Task) -> None:
        """Do one command to its end; a failure that its handler did not foresee ends it too."""
        try:
            self._handlers[type(task.command)](task, task.command)
        except Failure as error:
            task.end(task.command.refused(*explain(error, "this")))
            if is_out_of_memory(error):
                release_memory()

    # Loading

    def _load(self, task: Task, command: LoadModel) -> None:
        ref = command.ref
        try:
            self._replace_model(task, command)
        except Cancelled:
            task.end(LoadFailed(ref, "loading was stopped", None, cancelled=True))
        except Failure as error:
            message, hint = explain(error, f"loading {ref}")
            smaller = smaller_model(ref, self._shop.tools.models) if is_out_of_memory(error) else None
            task.end(LoadFailed(ref, message, hint, smaller=smaller))
        release_memory()  # of the old model, or of a new one that nobody wants any more

    def _replace_model(self, task: Task, command: LoadModel) -> None:
        if task.is_stopped:
            raise Cancelled("stopped before it began")
        task.say(LoadProgress(command.ref, None, ""))
        lm = self._shop.tools.load(
            command.ref,
            device=command.device,
            dtype=command.dtype,
            device_map=command.device_map,
            offline=command.offline,
            on_progress=lambda fraction, note: task.say(LoadProgress(command.ref, fraction, clean(note))),
            should_stop=lambda: task.is_stopped,
            timings=self._shop.paths.timings,
        )
        shelf = Shelf(self._shop.paths, self._shop.store, lm.info)
        if task.end(ModelLoaded(lm.info, shelf.summaries())):
            self._shop.lm, self._shop.shelf = lm, shelf
            with suppress(LibraryError):  # session and journal lie on the same disk and are worth a word; this is not
                remember_model(self._shop.paths, lm.info.ref)

    # Generating

    def _generate(self, task: Task, command: Generate) -> None:
        run_id, request = command.run_id, command.request
        try:
            info, shelf = self._shop.ready()
            self._shop.make_missing(task, shelf, _needed(request))
            if task.is_stopped:
                task.end(RunFinished(run_id, _nothing(info, request)))
                return
            result = self._stream(task, command, shelf)
            self._shop.journal.finish(run_id, result)
            task.end(RunFinished(run_id, result))
        except Failure as error:
            if isinstance(error, Cancelled) and self._shop.lm is not None:
                task.end(RunFinished(run_id, _nothing(self._shop.lm.info, request)))
                return
            message, hint = explain(error, "a run")
            self._shop.journal.fail(run_id, message)
            task.end(RunFailed(run_id, message, hint))
            if is_out_of_memory(error):
                release_memory()

    def _stream(self, task: Task, command: Generate, shelf: Shelf) -> RunResult:
        run_id, request = command.run_id, with_digest(task, command.request)
        controls = self._shop.tools.controls(lambda error: _refuse(task, error))
        task.attach(controls)
        task.say(RunStarted(run_id, request, clean(request.prompt)))
        self._shop.journal.begin(run_id, self._shop.lm.info, request)
        speed = Speed()

        def tell(step: Step) -> None:
            task.say(RunSteps(run_id, (step,), speed.tick()))
            self._shop.journal.step(run_id, step)
            self._shop.interlude()

        self._shop.is_streaming = True
        try:
            result: RunResult = self._shop.tools.generate(
                self._shop.lm, request, shelf.vectors, on_step=tell, controls=controls
            )
        finally:
            self._shop.is_streaming = False
        return result

    # Extracting

    def _extract(self, task: Task, command: ExtractConcepts) -> None:
        try:
            _, shelf = self._shop.ready()
            concepts = shelf.chosen(command.names)
            names, trouble = self._shop.make(task, shelf, concepts) if concepts else ((), None)
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


def _needed(request: Request) -> list[str]:
    """Return the names of the vectors that a request asks for."""
    recipes = [request.recipe, *(change.recipe for change in request.changes)]
    hooks = [*request.hooks, *(spec for change in request.changes for spec in change.hooks or ())]
    return [*(name for recipe in recipes for name in parse_recipe(recipe).names), *vector_names(hooks)]


def _refuse(task: Task, error: SteerError) -> None:
    message, hint = explain(error, "a live change")
    task.say(RecipeRefused(message, hint))


def _nothing(info: ModelInfo, request: Request) -> RunResult:
    """Return the result of a run that was stopped before it began."""
    empty = Text("", (), (), "cancelled")
    baseline = empty if request.baseline else None
    return RunResult(info, request, (), empty, baseline, ((), () if request.baseline else None), None, 0.0, 0.0)
