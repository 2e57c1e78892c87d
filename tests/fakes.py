"""An engine without torch: models, vectors and texts that a script decides, with the signatures of the real ones.

    script = Script(tokens_per_second=50)
    engine = fake_engine(paths, script)      # the real session.runner.Engine over fake tools
    engine.start(); engine.send(LoadModel("demo")); Listener(engine).wait(ModelLoaded)

A script may be changed while the engine runs. Same request, same text; a stronger recipe shows its concepts' names more
often.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from steer_tui.engine.models import ModelChoice
from steer_tui.engine.recipe import Recipe, parse_recipe, require_names
from steer_tui.engine.types import (
    Change,
    Finish,
    LayerActivation,
    Measures,
    ModelInfo,
    Request,
    RunResult,
    Stats,
    Step,
    Text,
    Token,
)
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import Cancelled, ModelError, SteerError
from steer_tui.library.concepts import load_concepts
from steer_tui.library.store import LoadedVectors
from steer_tui.paths import Paths
from steer_tui.session.messages import Event
from steer_tui.session.runner import Engine
from steer_tui.session.tools import Tools
from tests.sweeps import fake_sweep

E = TypeVar("E")

PLAIN_WORDS = ("the", "meeting", "went", "on", "and", "I", "made", "a", "note", "of", "it.", "Then", "we", "left.")
LAYERS, WIDTH = 6, 32
BEST = (3, 4)


def model_info(ref: str = "demo", layers: int = LAYERS) -> ModelInfo:
    """Return what a fake model says of itself."""
    return ModelInfo(
        ref=ref, id=ref, type="llama", layers=layers, width=WIDTH, parameters=3_000_000, device="cpu", dtype="float32",
        fingerprint=f"fake-{ref}", context=1024, has_chat_template=False,
    )  # fmt: skip


CHOICES = (
    ModelChoice("demo", "demo", "demo", 12_000_000, True, ""),
    ModelChoice("org/small", "org/small", "cache", 250_000_000, True, ""),
    ModelChoice("org/large", "org/large", "cache", 16_000_000_000, False, ""),
)


@dataclass
class Script:
    """What the fake engine does; seconds are waits, errors are raised where they are set."""

    tokens_per_second: float = 0.0
    """0 is as fast as it goes."""
    start_seconds: float = 0.0
    """Of importing torch."""
    start_error: Exception | None = None
    load_seconds: float = 0.0
    holds_load: bool = False
    """Whether a load waits where it is until this is False again, or until it is stopped."""
    load_errors: dict[str, BaseException] = field(default_factory=dict)
    """By ref."""
    hold_at: int | None = None
    """The token before which a run waits until this is None again, or until it is stopped."""
    run_error: BaseException | None = None
    run_error_step: int = 0
    extract_seconds: float = 0.0
    extract_error: BaseException | None = None
    sweep_seconds: float = 0.0
    """Of one cell."""
    sweep_hold_at: int | None = None
    """The cell before which a sweep waits, likewise."""
    sweep_error: SteerError | None = None
    sweep_error_after: int = 0
    """Cells before it."""
    save_error: SteerError | None = None
    is_deaf: bool = False
    """Waits as C code does: not to be stopped."""
    stop_after: int | None = None
    """Both texts end by themselves after so many tokens; None goes on to `max_tokens`."""
    words: tuple[str, ...] = PLAIN_WORDS
    """Of texts, drawn by the seed; hostile ones are welcome."""
    models: dict[str, ModelInfo] = field(default_factory=lambda: {ref: model_info(ref) for ref in ("demo", "other")})
    choices: tuple[ModelChoice, ...] = CHOICES
    ready: dict[str, tuple[str, ...] | None] = field(default_factory=lambda: {"demo": None})
    """Ref -> names of the concepts that have vectors from the start; None is all bundled ones."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """What was done: ("load", ref), ("generate", recipe), ("extract", names), ("save", name)."""
    open_runs: int = 0
    """Generations that have not cleaned up after themselves: what hooks left on a model would be."""

    def wait(self, seconds: float, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Wait, unless told to stop."""
        if self.is_deaf:
            time.sleep(seconds)
            return
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0 and not should_stop():
            time.sleep(min(left, 0.005))


@dataclass
class FakeLM:
    """A `LanguageModel` as far as a session sees it."""

    info: ModelInfo


@dataclass
class FakeVector:
    """A `SteeringVector` as far as a session sees it."""

    name: str
    meta: VectorMeta
    layers: dict[int, object] = field(default_factory=dict)


class FakeControls:
    """`engine.generate.Controls`."""

    def __init__(self, on_refused: Callable[[SteerError], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._recipe: str | None = None
        self.stopped = False
        self.on_refused = on_refused

    def stop(self) -> None:
        self.stopped = True

    def change(self, recipe: str) -> None:
        with self._lock:
            self._recipe = recipe

    def take_change(self) -> str | None:
        with self._lock:
            recipe, self._recipe = self._recipe, None
            return recipe


def fake_vector(name: str, info: ModelInfo, default_recipe: str | None = None) -> FakeVector:
    """Return a vector of a concept for a fake model."""
    made_for = MadeFor(id=info.id, type=info.type, layers=info.layers, width=info.width, fingerprint=info.fingerprint)
    best = tuple(layer for layer in BEST if layer < info.layers) or (0,)
    meta = VectorMeta(name=name, model=made_for, best_layers=best, default_recipe=default_recipe)
    return FakeVector(name, meta)


class FakeStore:
    """`library.store.VectorStore`; what is saved is kept in memory."""

    def __init__(self, paths: Paths, script: Script) -> None:
        self._paths, self._script = paths, script
        self.saved: dict[tuple[str, str], FakeVector] = {}

    def load_for(self, info: ModelInfo) -> LoadedVectors:
        loaded = LoadedVectors()
        names = self._script.ready.get(info.ref, ())
        if names is None:
            names = tuple(concept.name for concept in load_concepts(self._paths)[0] if concept.bundled)
        vectors: dict[str, Any] = {name: fake_vector(name, info, f"{name}:2@3-4") for name in names}
        vectors |= {name: vector for (ref, name), vector in self.saved.items() if ref == info.id}
        loaded.vectors.update(vectors)
        return loaded

    def save(self, vector: Any) -> Path:
        if self._script.save_error is not None:
            raise self._script.save_error
        self._script.calls.append(("save", vector.name))
        self.saved[vector.meta.model["id"], vector.name] = vector
        return self._paths.vectors / f"{vector.name}.safetensors"


def fake_tools(script: Script) -> Tools:
    """Return tools that do as the script says."""

    def load(ref: str, *, on_progress: Callable[..., object], should_stop: Callable[[], bool], **_: Any) -> FakeLM:
        script.calls.append(("load", ref))
        for part in range(10):
            on_progress(part / 10, f"reading part {part}")
            while script.holds_load and not should_stop():
                time.sleep(0.002)
            script.wait(script.load_seconds / 10, should_stop)
            if should_stop() and not script.is_deaf:
                raise Cancelled("loading was stopped")
        if ref in script.load_errors:
            raise script.load_errors[ref]
        if ref not in script.models:
            raise ModelError(f"no model {ref!r}", hint="`m` lists those there are")
        return FakeLM(script.models[ref])

    def extract(
        lm: FakeLM,
        concepts: Sequence[Any],
        *,
        on_progress: Callable[[int, int], object],
        should_stop: Callable[[], bool],
    ) -> dict[str, FakeVector]:
        script.calls.append(("extract", ",".join(concept.name for concept in concepts)))
        total = len({text for concept in concepts for text in (*concept.positive, *concept.negative)})
        for part in range(10):
            script.wait(script.extract_seconds / 10, should_stop)
            if should_stop():
                raise Cancelled("extraction stopped")
            on_progress(total * (part + 1) // 10, total)
        if script.extract_error is not None:
            raise script.extract_error
        return {concept.name: fake_vector(concept.name, lm.info) for concept in concepts}

    def generate(
        lm: FakeLM, request: Request, vectors: Mapping[str, Any], *, on_step: Callable[[Step], None],
        controls: FakeControls, measures: bool = True,
    ) -> RunResult:  # fmt: skip
        script.calls.append(("generate", request.recipe))
        return _Run(script, lm, request, vectors, controls).go(on_step)

    def sweep(lm: FakeLM, request: Any, vectors: Mapping[str, Any], **more: Any) -> Any:
        script.calls.append(("sweep", ",".join(request.concepts)))
        end = {"error": script.sweep_error, "error_after": script.sweep_error_after}
        how = {"seconds_per_cell": script.sweep_seconds, "hold_at": lambda: script.sweep_hold_at}
        return fake_sweep(lm, request, vectors, **how, **end, **more)

    def about_hooks(*args: Any, **options: Any) -> Any:
        raise NotImplementedError("nothing about hooks has a fake")

    return Tools(load, generate, extract, FakeControls, lambda: script.choices, *[about_hooks] * 3, sweep)


class _Run:
    """One fake generation."""

    def __init__(
        self, script: Script, lm: FakeLM, request: Request, vectors: Mapping[str, Any], controls: FakeControls
    ) -> None:
        self.script, self.lm, self.request, self.vectors, self.controls = script, lm, request, vectors, controls
        self.recipe = self._parsed(request.recipe)
        self.changes: list[Change] = []
        self.random = (random.Random(request.sampling.seed), random.Random(request.sampling.seed))

    def _parsed(self, text: str) -> Recipe:
        recipe = parse_recipe(text)
        require_names(recipe, self.vectors)
        return recipe

    def go(self, on_step: Callable[[Step], None]) -> RunResult:
        self.script.open_runs += 1
        try:
            return self._go(on_step)
        finally:
            self.script.open_runs -= 1

    def _go(self, on_step: Callable[[Step], None]) -> RunResult:
        began = time.perf_counter()
        rows: tuple[list[Token], list[Token]] = ([], [])
        length = min(self.request.sampling.max_tokens, self.script.stop_after or 10**9)
        while len(rows[0]) < length and not self.controls.stopped:
            index = len(rows[0])
            while self.script.hold_at == index and not self.controls.stopped:
                time.sleep(0.002)
            if self.controls.stopped:
                break
            if self.script.run_error is not None and index == self.script.run_error_step:
                raise self.script.run_error
            change = self._change(index)
            steered, plain = self._token(0, self.recipe, index), self._token(1, Recipe(), index)
            rows[0].append(steered)
            rows[1].append(plain)
            changed = self.changes[-1] if change is not None else None
            on_step(Step(index, steered, plain if self.request.baseline else None, change, changed))
            rate = self.script.tokens_per_second
            if rate > 0:
                left = began + (index + 1) / rate - time.perf_counter()
                self.script.wait(max(0.0, left), lambda: self.controls.stopped)
        return self._result(rows, length, time.perf_counter() - began)

    def _change(self, index: int) -> str | None:
        replayed = {change.step: change.recipe for change in self.request.changes}
        asked = self.controls.take_change() or replayed.get(index)
        if asked is None:
            return None
        try:
            recipe = self._parsed(asked)
        except SteerError as error:
            if self.controls.on_refused is not None:
                self.controls.on_refused(error)
            return None
        if recipe == self.recipe:
            return None
        self.recipe = recipe
        self.changes.append(Change(index, str(recipe)))
        return str(recipe)

    def _token(self, row: int, recipe: Recipe, index: int) -> Token:
        draw = self.random[row]
        chance, place = draw.random(), draw.randrange(10**6)
        strength = sum(max(term.strength, 0.0) for term in recipe.terms)
        words = [term.name for term in recipe.terms] if strength > 0 and chance < strength / 4 else self.script.words
        word = words[place % len(words)]
        stats = self._stats(recipe, chance) if self.request.statistics else None
        return Token(place, f" {word}", -1.0 - chance, bool(recipe.terms), stats)

    def _stats(self, recipe: Recipe, noise: float) -> Stats:
        layers = tuple(range(self.lm.info.layers))
        strength = sum(term.strength for term in recipe.terms)
        names = dict.fromkeys([*self.recipe.names, *recipe.names])
        return Stats(
            layers=layers,
            mean=tuple(0.01 * (layer + noise) for layer in layers),
            std=tuple(1.0 + 0.1 * layer + noise / 10 for layer in layers),
            norm=tuple(10.0 + layer + noise for layer in layers),
            places={name: tuple(strength / 4 + noise / 10 for _ in layers) for name in names},
            added=tuple(abs(strength) / 10 if layer in BEST else 0.0 for layer in layers),
        )

    def _result(self, rows: tuple[list[Token], list[Token]], length: int, seconds: float) -> RunResult:
        count = len(rows[0])
        finish: Finish = "cancelled" if count < length else "stop" if count == self.script.stop_after else "length"
        steered, baseline = (_text(row, finish) for row in rows)
        activations = tuple(LayerActivation(layer, 0.01, 1.0, 10.0 + layer) for layer in range(self.lm.info.layers))
        is_both = self.request.baseline
        return RunResult(
            model=self.lm.info,
            request=replace(self.request, changes=tuple(self.changes)),
            prompt_ids=tuple(range(3)),
            steered=steered,
            baseline=baseline if is_both else None,
            activations=(activations, activations if is_both else None),
            measures=Measures({name: (0.9, 0.2) for name in self.recipe.names}, (6.1, 5.2), 0.8, 1.9, (0.9, 0.95)),
            tokens_per_second=count / seconds if seconds > 0 else 0.0,
            seconds=seconds,
        )


def _text(row: Sequence[Token], finish: Finish) -> Text:
    return Text("".join(t.text for t in row), tuple(t.id for t in row), tuple(t.logprob for t in row), finish)


def fake_engine(paths: Paths, script: Script | None = None) -> Engine:
    """Return the real engine over fake tools; it is not started."""
    used = script if script is not None else Script()

    def tools() -> Tools:
        used.wait(used.start_seconds)
        if used.start_error is not None:
            raise used.start_error
        return fake_tools(used)

    return Engine(paths, tools, lambda found: FakeStore(found, used))


class Listener:
    """Reads an engine's events as a screen does, and waits for those of a kind."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.events: list[Event] = []
        """All that came so far, oldest first."""
        self._read = 0

    def wait(self, kind: type[E], timeout: float = 120.0) -> E:
        """Return the next event of a kind; those before it count as read."""
        until = time.perf_counter() + timeout
        while True:
            is_late = time.perf_counter() > until
            self.events.extend(self.engine.drain())
            while self._read < len(self.events):
                self._read += 1
                event = self.events[self._read - 1]
                if isinstance(event, kind):
                    return event
            if is_late:
                names = [type(event).__name__ for event in self.events]
                raise AssertionError(f"no {kind.__name__} within {timeout} s, but {names}")
            time.sleep(0.002)

    def all(self, kind: type[E]) -> list[E]:
        """Return every event of a kind that came so far."""
        self.events.extend(self.engine.drain())
        return [event for event in self.events if isinstance(event, kind)]
