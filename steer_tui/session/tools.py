"""What the engine thread works with: the engine's own functions, or others in their place.

Importing this imports no torch; `engine_tools` does, and takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from steer_tui.engine.hookvalues import WATCH_SECONDS
from steer_tui.engine.models import ModelChoice, list_models
from steer_tui.errors import SteerError
from steer_tui.session.task import RunControls

# Any: the types of the engine's own functions cannot be named without importing torch.
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Tools:
    """Functions with the signatures of the engine's own."""

    load: Function
    """`engine.loading.load_model`."""
    generate: Function
    """`engine.generate.generate`."""
    extract: Function
    """`engine.extract.extract`."""
    controls: Callable[[Callable[[SteerError], None]], RunControls]
    """`engine.generate.Controls`; the argument is called with the reason of a change that was refused."""
    models: Callable[[], Iterable[ModelChoice]]
    """`engine.models.list_models`."""
    point_infos: Function
    """`engine.catalogue.point_infos`."""
    load_hooks: Function
    """`engine.user_hooks.load_hooks`."""
    build_hook: Function
    """`engine.catalogue.build_hook`."""
    sweep: Function
    """`engine.sweep.sweep`."""


def engine_tools() -> Tools:
    """Return the engine's functions, importing torch and transformers."""
    from steer_tui.engine.catalogue import build_hook, point_infos
    from steer_tui.engine.extract import extract
    from steer_tui.engine.generate import Controls, generate
    from steer_tui.engine.loading import load_model
    from steer_tui.engine.sweep import sweep
    from steer_tui.engine.user_hooks import load_hooks

    controls = partial(Controls, watch_seconds=WATCH_SECONDS)
    return Tools(load_model, generate, extract, controls, list_models, point_infos, load_hooks, build_hook, sweep)
