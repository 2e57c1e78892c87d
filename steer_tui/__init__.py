"""Activation steering in a terminal workbench, on the command line and from Python.

Importing this package imports neither torch nor textual; a public name brings in what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steer_tui.engine.arithmetic import cosines as cosines
    from steer_tui.engine.arithmetic import mix as mix
    from steer_tui.engine.arithmetic import negate as negate
    from steer_tui.engine.arithmetic import orthogonalise as orthogonalise
    from steer_tui.engine.extract import extract as extract
    from steer_tui.engine.generate import Controls as Controls
    from steer_tui.engine.generate import generate as generate
    from steer_tui.engine.model import LanguageModel as LanguageModel
    from steer_tui.engine.recipe import Recipe as Recipe
    from steer_tui.engine.recipe import parse_recipe as parse_recipe
    from steer_tui.engine.sweep import sweep as sweep
    from steer_tui.engine.sweepgrid import SweepResult as SweepResult
    from steer_tui.engine.sweeprequest import SweepRequest as SweepRequest
    from steer_tui.engine.types import Request as Request
    from steer_tui.engine.types import RunResult as RunResult
    from steer_tui.engine.types import Sampling as Sampling
    from steer_tui.engine.vector import SteeringVector as SteeringVector
    from steer_tui.errors import SteerError as SteerError
    from steer_tui.library.store import VectorStore as VectorStore
    from steer_tui.paths import find_paths as find_paths

__version__ = "0.1.0"

_HOMES = {
    "Controls": "engine.generate",
    "LanguageModel": "engine.model",
    "Recipe": "engine.recipe",
    "Request": "engine.types",
    "RunResult": "engine.types",
    "Sampling": "engine.types",
    "SteerError": "errors",
    "SteeringVector": "engine.vector",
    "SweepRequest": "engine.sweeprequest",
    "SweepResult": "engine.sweepgrid",
    "VectorStore": "library.store",
    "cosines": "engine.arithmetic",
    "extract": "engine.extract",
    "find_paths": "paths",
    "generate": "engine.generate",
    "mix": "engine.arithmetic",
    "negate": "engine.arithmetic",
    "orthogonalise": "engine.arithmetic",
    "parse_recipe": "engine.recipe",
    "sweep": "engine.sweep",
}
"""Public name -> module below this package that defines it."""

__all__ = ["__version__", *sorted(_HOMES)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    """Import a public name on first use.

    Raises:
        AttributeError: The name is not public.
    """
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what is public, imported yet or not."""
    return sorted({*globals(), *_HOMES})
