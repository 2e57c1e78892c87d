"""Small vectors and the model they fit, for tests of the library."""

from __future__ import annotations

from typing import Any

import torch

from steer_tui.engine.types import ModelInfo
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.library.entries import VectorEntry
from steer_tui.library.store import VectorStore

WIDTH, LAYERS = 8, 6
MADE_FOR = MadeFor(id="org/tiny", type="llama", layers=LAYERS, width=WIDTH, fingerprint="ab12cd34ef")
INFO = ModelInfo("tiny", "org/tiny", "llama", LAYERS, WIDTH, 1000, "cpu", "float32", "ab12cd34ef", 128, False)


def vector(name: str = "happy", scale: float = 1.0, **changes: Any) -> SteeringVector:
    """Return a vector with layers 1 and 3; `changes` are of the model it was made for."""
    made_for = MadeFor(**{**MADE_FOR, **changes})  # type: ignore[typeddict-item]
    layers = {layer: torch.arange(made_for["width"]).float() * scale + layer for layer in (1, 3)}
    return SteeringVector(name, layers, VectorMeta(name, made_for, group="moods", best_layers=(3,)))


def own(store: VectorStore) -> list[VectorEntry]:
    """Return what is listed of the user's own."""
    return [entry for entry in store.list() if not entry.bundled]
