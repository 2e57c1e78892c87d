"""Checks of folders, of what ships and of the Hugging Face cache. They make no folder and load no model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from steer_tui.commands.check import Check
from steer_tui.config import load_config
from steer_tui.engine.memory import human
from steer_tui.engine.models import cache_folder, demo_folder
from steer_tui.errors import SteerError
from steer_tui.options import Options
from steer_tui.paths import Paths, bundled

_LITTLE_SPACE = 1_000_000_000


def file_checks(options: Options, paths: Paths) -> Iterator[Check]:
    """Yield what is on disk."""
    yield folders_check(paths)
    yield config_check(paths)
    yield library_check(paths)
    yield demo_check()
    yield cache_check(options)


def folders_check(paths: Paths) -> Check:
    """Return whether config, data and state can be written."""
    folders = {"config": paths.config, "data": paths.data, "state": paths.state}
    refused = [f"{name} {path}" for name, path in folders.items() if not _is_writable(path)]
    if refused:
        return Check(
            "folders", "broken", f"not writable: {', '.join(refused)}", "--data-dir DIR keeps all three elsewhere"
        )
    free = shutil.disk_usage(_nearest(paths.data)).free
    found = f"writable, {human(free)} free in {paths.data}"
    if free < _LITTLE_SPACE:
        return Check("folders", "note", found, "free some space, or --data-dir DIR")
    return Check("folders", "ok", found, "`steer-tui locate data` prints where things are; STEER_TUI_HOME moves them")


def _is_writable(folder: Path) -> bool:
    there = _nearest(folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def config_check(paths: Paths) -> Check:
    """Return whether the settings can be read."""
    problem = load_config(paths).problem
    if problem is not None:
        return Check("config", "note", problem, "the settings it spoils have their defaults; mend the file")
    found = str(paths.config_file) if paths.config_file.exists() else "none, all defaults"
    return Check("config", "ok", found, "`steer-tui locate config` prints the folder")


def library_check(paths: Paths) -> Check:
    """Return how many concepts and vectors there are, and which cannot be read."""
    from steer_tui.library.concepts import load_concepts
    from steer_tui.library.store import VectorStore

    try:
        entries = VectorStore(paths).list()
    except SteerError as error:
        return Check("library", "broken", error.message, error.hint or "install steer-tui again")
    concepts, problems = load_concepts(paths)
    damaged = [entry.path for entry in entries if entry.problem] + [problem.path for problem in problems]
    found = f"{len(concepts)} concepts, {len(entries)} vectors"
    if damaged:
        advice = "`steer-tui vectors list` gives the reasons; nothing was deleted"
        return Check("library", "note", f"{found}; cannot read {', '.join(map(str, damaged[:3]))}", advice)
    return Check("library", "ok", found, "own concepts are TOML files in the concepts folder below data")


def demo_check() -> Check:
    """Return whether the built-in model's files are whole, by their sizes and header."""
    missing = [
        name for name in ("config.json", "model.safetensors", "tokenizer.json") if not (demo_folder() / name).is_file()
    ]
    if missing:
        return Check("demo model", "broken", f"without {', '.join(missing)}", "install steer-tui again")
    problem = _weights_problem(demo_folder() / "model.safetensors")
    if problem is not None:
        return Check("demo model", "broken", problem, "install steer-tui again")
    size = sum(path.stat().st_size for path in demo_folder().iterdir() if path.is_file())
    shipped = len(list((bundled("vectors") / "demo").glob("*.safetensors")))
    return Check("demo model", "ok", f"{human(size)}, {shipped} vectors", "works offline; for demonstration only")


def _weights_problem(path: Path) -> str | None:
    """Return what is wrong with a safetensors file, None where its header and its length agree."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return None if list(file.keys()) else "its weights file is empty"
    except (OSError, SafetensorError) as error:
        return f"its weights cannot be read: {error}"


def cache_check(options: Options) -> Check:
    """Return where downloaded models are, and whether downloads are allowed."""
    folder = cache_folder()
    models = len(list(folder.glob("models--*"))) if folder.is_dir() else 0
    found = f"{models} models in {folder}"
    if options.offline or os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Check("hugging face", "ok", f"{found}, offline", "a hub id loads only if it is in the cache already")
    return Check("hugging face", "ok", found, "a hub id that is not there is downloaded; --offline forbids it")
