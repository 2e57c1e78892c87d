"""A fake engine that does the library's work for real, at once: on files in a test's own folder, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from steer_tui.engine.types import ModelInfo
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import Cancelled
from steer_tui.library.header import read_header
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths, bundled
from steer_tui.session.library_making import LibraryMaking
from steer_tui.session.library_work import LibraryWork
from steer_tui.session.messages import Command, LoadModel, ModelLoaded
from steer_tui.session.shelf import Shelf
from steer_tui.session.task import Task
from steer_tui.session.troubles import explain
from steer_tui.session.workshop import Workshop
from tests.tui.fake import FakeEngine, model_info

INFO = replace(
    model_info(), fingerprint=read_header(bundled("vectors") / "demo/happy.safetensors").meta.model["fingerprint"]
)
MADE_FOR = MadeFor(id=INFO.id, type=INFO.type, layers=INFO.layers, width=INFO.width, fingerprint=INFO.fingerprint)
DIAGNOSTICS = {
    layer: {"separation": 1.0 + layer, "consistency": 0.2, "split_half": 0.7, "auroc": 0.9, "relative_norm": 0.2}
    for layer in range(INFO.layers)
}


def vector(name: str, **changes: Any) -> SteeringVector:
    """Return a vector of its own direction for the fake model."""
    made_for = MadeFor(**{**MADE_FOR, **changes.pop("model", {})})  # type: ignore[typeddict-item]
    dice = torch.Generator().manual_seed(sum(name.encode()))
    layers = {layer: torch.randn(made_for["width"], generator=dice) for layer in range(made_for["layers"])}
    meta = VectorMeta(name, made_for, group="own", best_layers=(3, 2), diagnostics=DIAGNOSTICS, created="2026-01-02")
    return SteeringVector(name, layers, replace(meta, **changes))


@dataclass
class FakeLM:
    """A model as far as the library sees it."""

    info: ModelInfo


@dataclass
class FakeTools:
    """The one function that is called, and how often."""

    calls: list[dict[str, Any]]
    error: Exception | None = None

    def extract(
        self, lm: FakeLM, concepts: Sequence[Any], *, on_progress: Any, should_stop: Any, **how: str
    ) -> dict[str, SteeringVector]:
        self.calls.append({"concepts": concepts, **how})
        on_progress(1, 2)
        if should_stop():
            raise Cancelled("stopped")
        if self.error is not None:
            raise self.error
        return {
            concept.name: vector(
                concept.name, pairs=concept.pairs, pairs_sha256=concept.pairs_sha256, group=concept.group, **how
            )
            for concept in concepts
        }


class LibraryEngine(FakeEngine):
    """Answers the library's commands by doing them."""

    def __init__(self, paths: Paths) -> None:
        super().__init__()
        self.tools = FakeTools([])
        self.store = VectorStore(paths)
        self.shop = Workshop(paths, self.tools, self.store, None)  # type: ignore[arg-type]
        self.work = {**LibraryWork(self.shop).handlers(), **LibraryMaking(self.shop).handlers()}
        self.is_slow = False
        """Whether commands wait for `catch_up`."""
        self.waiting: list[Task] = []

    def keep(self, *vectors: SteeringVector) -> None:
        """Put vectors into the library before it is looked at."""
        for each in vectors:
            self.store.save(each)

    def send(self, command: Command) -> None:
        """Do a command of the library; the others are the fake's."""
        if isinstance(command, LoadModel):
            self.shop.lm, self.shop.shelf = FakeLM(INFO), Shelf(self.shop.paths, self.store, INFO)
            self.concepts = self.shop.shelf.summaries()
        if type(command) not in self.work:
            return super().send(command)
        self.sent.append(command)
        self.waiting.append(Task(command, self.events.append))
        if not self.is_slow:
            self.catch_up()

    def finish_load(self, ref: str = "demo") -> None:
        """Let a load end."""
        self.events.append(ModelLoaded(INFO, self.concepts))

    def stop_run(self) -> None:
        """Stop what waits, too."""
        for task in self.waiting:
            task.stop()
        super().stop_run()

    def catch_up(self) -> None:
        """Do what waits."""
        while self.waiting:
            task = self.waiting.pop(0)
            try:
                self.work[type(task.command)](task, task.command)
            except Exception as error:  # as the worker does
                task.end(task.command.refused(*explain(error, "this")))

    def names(self) -> list[str]:
        """Return the names of the user's own vectors on disk."""
        return sorted(entry.name for entry in self.store.list() if not entry.bundled)
