"""An engine without a model, for looking at the screens and for pressing keys: same methods, events made up.

Time is the caller's: `tick()` makes the next step of a run, so that tests never wait; `play.py` ticks by a clock.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.types import Change, Measures, ModelInfo, Request, RunResult, Stats, Step, Text, Token
from steer_tui.errors import RecipeError
from steer_tui.session.hook_messages import CheckHooks, HooksChecked, ListPoints, PointsListed
from steer_tui.session.messages import (
    Command,
    EngineReady,
    Event,
    ExtractConcepts,
    ExtractFinished,
    ExtractProgress,
    Generate,
    LoadFailed,
    LoadModel,
    LoadProgress,
    ModelLoaded,
    RecipeRefused,
    RunFinished,
    RunStarted,
    RunSteps,
    VectorsChanged,
    VectorSummary,
)
from steer_tui.session.sweep_messages import RunSweep
from tests.sweeps import SteppedSweep
from tests.tui.fake_hooks import difference, point_infos, reports, watched

GROUPS = {
    "emotions": "happy sad angry fearful excited calm",
    "styles": "formal casual poetic technical",
    "personalities": "pirate shakespeare enthusiastic pessimistic",
    "brevity": "brief verbose",
}
STEERED = (
    "wonderfully, and everyone left the room with a smile. She laughed all the way home, glad of the bright "
    "afternoon and of the friends who had come. It was a lovely day, and the garden was full of light. "
)
PLAIN = (
    "on until noon, and then everyone left the room. She took the usual road home and wrote a short note about "
    "the budget. It was a grey day, and the office was quiet. "
)


def model_info(ref: str = "demo", layers: int = 6) -> ModelInfo:
    """Return a plausible model."""
    return ModelInfo(ref, ref, "llama", layers, 256, 5_200_000, "cpu", "float32", "0123abcd", 512, False)


def summaries(ready: bool = True) -> tuple[VectorSummary, ...]:
    """Return the sixteen concepts."""
    return tuple(
        VectorSummary(
            name, group, f"What {name} text sounds like, in everyday things", ready, (3, 4), f"{name}:2@3-4", True
        )
        for group, names in GROUPS.items()
        for name in names.split()
    )


@dataclass
class FakeEngine:
    """Answers commands with events; a run goes on by `tick`."""

    layers: int = 6
    text: str = STEERED
    plain_text: str = PLAIN
    concepts: tuple[VectorSummary, ...] = field(default_factory=summaries)
    load_at_once: bool = True
    fail: LoadFailed | None = None
    """What the next load ends with, instead of a model."""
    sent: list[Command] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    hook_changes: list[tuple[HookSpec, ...]] = field(default_factory=list)
    events: deque[Event] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._run: Generate | None = None
        self.sweep: SteppedSweep | None = None
        self._info = model_info(layers=self.layers)
        self._step = 0
        self._recipe = ""
        self._change: str | None = None
        self._made: list[Change] = []
        self._words: list[tuple[str, str]] = []
        self._dice = random.Random(1)
        self._hooks: tuple[HookSpec, ...] = ()
        self._new_hooks: tuple[tuple[HookSpec, ...], str | None] | None = None

    # What the app calls

    def start(self) -> None:
        """Begin to read commands."""
        self.calls.append("start")
        self.events.append(EngineReady())

    def send(self, command: Command) -> None:
        """Take a command."""
        self.sent.append(command)
        if isinstance(command, LoadModel):
            self.events.append(LoadProgress(command.ref, 0.0, "reading"))
            if self.load_at_once:
                self.finish_load(command.ref)
        elif isinstance(command, Generate):
            self._begin(command)
        elif isinstance(command, ListPoints):
            self.events.append(PointsListed(self._info.fingerprint, point_infos(self.layers)))
        elif isinstance(command, CheckHooks):
            self.events.append(HooksChecked(command.specs, ()))
        elif isinstance(command, RunSweep):
            self.sweep = SteppedSweep(command, self._info, self.events)
        elif isinstance(command, ExtractConcepts):
            self.events.append(ExtractProgress(0, 768))
            self.concepts = tuple(replace(item, has_vector=True) for item in self.concepts)
            self.events.append(VectorsChanged(self.concepts))
            self.events.append(ExtractFinished(tuple(item.name for item in self.concepts)))

    def stop_run(self) -> None:
        """End the run within a step."""
        self.calls.append("stop_run")
        if self._run is not None:
            self._finish("cancelled")
        if self.sweep is not None:
            self.sweep.stop()

    def change_recipe(self, text: str) -> None:
        """Put another recipe in force with the next step."""
        self.changes.append(text)
        try:
            parse_recipe(text)
        except RecipeError as error:
            self.events.append(RecipeRefused(error.message, error.hint))
            return
        self._change = text

    def change_hooks(self, specs: tuple[HookSpec, ...], hook_file: str | None) -> None:
        """Put other hooks in force with the next step."""
        self.hook_changes.append(specs)
        self._new_hooks = specs, hook_file

    def cancel_load(self) -> None:
        """End a load."""
        self.calls.append("cancel_load")

    def shutdown(self, timeout: float = 1.0) -> None:
        """End."""
        self.calls.append("shutdown")

    def drain(self) -> list[Event]:
        """Return what happened, oldest first."""
        events = list(self.events)
        self.events.clear()
        return events

    # What a test makes happen

    def finish_load(self, ref: str = "demo") -> None:
        """Let a load end."""
        if self.fail is not None:
            self.events.append(self.fail)
        else:
            self._info = model_info(ref, self.layers)
            self.events.append(ModelLoaded(self._info, self.concepts))

    @property
    def is_running(self) -> bool:
        """Whether a run goes on."""
        return self._run is not None

    def _begin(self, command: Generate) -> None:
        self._run, self._step, self._recipe, self._made, self._change = command, 0, command.request.recipe, [], None
        self._hooks, self._new_hooks = command.request.hooks, None
        words, plain = (text.replace(" ", "\0 ").split("\0") for text in (self.text, self.plain_text))
        count = command.request.sampling.max_tokens
        self._words = [(words[index % len(words)], plain[index % len(plain)]) for index in range(count)]
        self.events.append(RunStarted(command.run_id, command.request, command.request.prompt + " "))

    def finish_cells(self, count: int = 10**6) -> None:
        """Let so many cells of a sweep end."""
        assert self.sweep is not None
        self.sweep.step(count)

    def tick(self, count: int = 1) -> None:
        """Make so many steps."""
        steps = []
        for _ in range(count):
            if self._run is None:
                break
            steps.append(self._make_step(self._run.request))
            if self._step >= len(self._words):
                self.events.append(RunSteps(self._run.run_id, tuple(steps), 31.4))
                steps = []
                self._finish("length")
        if steps and self._run is not None:
            self.events.append(RunSteps(self._run.run_id, tuple(steps), 31.4))

    def _make_step(self, request: Request) -> Step:
        change, self._change = self._change, None
        new, self._new_hooks = self._new_hooks, None
        if change is not None or new is not None:
            self._recipe = self._recipe if change is None else change
            self._hooks = self._hooks if new is None else new[0]
            self._made.append(Change(self._step, self._recipe, *(new or ())))
        steered, plain = self._words[self._step]
        acting = self._acts()
        first = Token(self._step, steered, -1.2, acting, self._stats(acting))
        second = Token(self._step, plain, -0.9, False, self._stats(False)) if request.baseline else None
        changed = self._made[-1] if change is not None or new is not None else None
        seen = watched(self._hooks, self._step, request.baseline)
        step = Step(self._step, first, second, change, changed, seen)
        self._step += 1
        return step

    def _acts(self) -> bool:
        for term in parse_recipe(self._recipe).terms:
            if term.scope.kind in ("all", "generated") or (
                term.scope.kind == "first" and self._step < term.scope.start
            ):
                return True
        return False

    def _stats(self, acting: bool) -> Stats:
        recipe = parse_recipe(self._recipe)
        touched = {layer for term in recipe.terms for layer in term.resolve_layers(self.layers, (3, 4))}
        dice = self._dice
        place = {
            term.name: tuple(
                0.1
                + 0.05 * dice.random()
                + (0.4 * term.strength * min(1.0, layer / 4) if acting and layer >= 3 else 0.0)
                for layer in range(self.layers)
            )
            for term in recipe.terms
        }
        return Stats(
            tuple(range(self.layers)),
            tuple(0.012 + 0.01 * dice.random() for _ in range(self.layers)),
            tuple(0.9 + 0.1 * layer for layer in range(self.layers)),
            tuple(11.0 + 1.9 * layer + dice.random() for layer in range(self.layers)),
            place,
            tuple(0.21 if acting and layer in touched else 0.0 for layer in range(self.layers)),
        )

    def _finish(self, finish: str) -> None:
        assert self._run is not None
        request = replace(self._run.request, changes=tuple(self._made))
        done = self._words[: self._step]
        texts = [
            Text("".join(words), tuple(range(len(done))), (-1.0,) * len(done), finish)  # type: ignore[arg-type]
            for words in zip(*done, strict=True)
        ] or [Text("", (), (), "cancelled")] * 2
        names = parse_recipe(self._recipe).names
        measures = Measures({name: (0.91, 0.22) for name in names}, (6.1, 5.2), 0.8, 2.1, (0.97, 0.98))
        baseline = texts[1] if request.baseline else None
        did, moved = reports(self._hooks, self._step), difference() if baseline else None
        activations = ((), None)
        result = RunResult(
            self._info, request, (1, 2, 3), texts[0], baseline, activations, measures, 31.4, 2.0, did, moved
        )
        self.events.append(RunFinished(self._run.run_id, result))
        self._run = None
