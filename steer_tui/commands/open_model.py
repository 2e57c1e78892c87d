"""The model that a command works on: what the command line names, else the configuration, else the one used last."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from steer_tui.commands.console import Progress, note
from steer_tui.config import Config, load_config
from steer_tui.engine.models import DEMO, recent_models, remember_model
from steer_tui.errors import SteerError
from steer_tui.options import Options
from steer_tui.paths import Paths, find_paths

if TYPE_CHECKING:
    from steer_tui.engine.model import LanguageModel


def open_model(options: Options) -> LanguageModel:
    """Load the model with a bar on stderr.

    Raises:
        SteerError: as `loading.load_model`; nothing is loaded.
    """
    paths = find_paths(options.data_dir)
    config = settings(paths)
    ref = model_ref(options, paths, config)
    with Progress(f"loading {ref}") as progress:
        progress.show(None, "starting torch")
        from steer_tui.engine.loading import load_model

        lm = load_model(
            ref,
            device=options.device or config.device,
            dtype=options.dtype or config.dtype,
            device_map=options.device_map,
            offline=options.offline or config.offline,
            on_progress=progress.show,
            timings=paths.timings,
        )
    _remember(paths, ref)
    return lm


def _remember(paths: Paths, ref: str) -> None:
    """Note the model among the recent ones; a disk that takes no note is no reason to fail."""
    with suppress(SteerError):
        remember_model(paths, ref)


@cache
def settings(paths: Paths) -> Config:
    """Return the user's settings; what is wrong with the file is said on stderr, once."""
    config = load_config(paths)
    if config.problem is not None:
        note(f"warning: {config.problem}")
    return config


def model_ref(options: Options, paths: Paths, config: Config) -> str:
    """Return what to load."""
    return options.model or config.model or _used_last(paths) or next(iter(recent_models(paths)), DEMO)


def _used_last(paths: Paths) -> str | None:
    """Return the model of the workbench's last session, None where there was none."""
    try:
        session = json.loads(paths.session.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    ref = session.get("model") if isinstance(session, dict) else None
    return ref if isinstance(ref, str) and ref else None
