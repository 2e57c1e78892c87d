"""The models that can be loaded by a name: the built-in one, those used before, those in the local cache. No torch.

Promises to read configurations and file sizes only, and that no file, however it is made or named, stops the list.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steer_tui.engine import hubcache
from steer_tui.engine.memory import Room, default_room, needed_bytes
from steer_tui.engine.modelfiles import Tensors, count_tensors, names_causal_lm, read_config, size_of, weight_files
from steer_tui.errors import ModelError
from steer_tui.files import write_atomic
from steer_tui.paths import Paths, find_paths
from steer_tui.text import one_line

DEMO = "demo"
OWN_CODE = "brings code of its own, which is never run: loads only if transformers knows the type"
MAX_RECENT = 12
_MAX_FILE = 1 << 16

Kind = Literal["demo", "recent", "cache"]
cache_folder = hubcache.cache_folder


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model that can be loaded."""

    ref: str
    """What to give to `load_model`; as it is, so it may hold anything a path may."""
    name: str
    """The ref as it may be shown: one line, no control characters."""
    kind: Kind
    size_bytes: int
    """Of the weights as stored; 0 where they are not here."""
    fits: bool | None
    """Whether it fits in the memory free now, with device and dtype `auto`; None where that cannot be told."""
    note: str
    """What a person should know before choosing it; empty where nothing is amiss."""

    def to_json(self) -> dict[str, str | int | bool | None]:
        """Return one entry of `models --json`."""
        return {name: getattr(self, name) for name in ("ref", "name", "kind", "size_bytes", "fits", "note")}


def demo_folder() -> Path:
    """Return the folder of the built-in model, in a checkout and in an installed wheel alike."""
    return Path(__file__).resolve().parent.parent / "demo" / "model"


def list_models(paths: Paths | None = None) -> tuple[ModelChoice, ...]:
    """Return the built-in model, then those used before, newest first, then the causal LMs of the local cache by name.

    Args:
        paths: Where the models used before are noted; None takes the user's own folders.
    """
    room = default_room()
    choices = [_choice(DEMO, "demo", demo_folder(), room, "built in, for demonstration")]
    cached = dict(hubcache.cached_models())
    for ref in recent_models(paths or find_paths()):
        folder = cached.pop(ref, None) or (Path(ref) if _is_path(ref) else None)
        choices.append(_choice(ref, "recent", folder, room))
    for ref, folder in cached.items():
        try:
            if names_causal_lm(read_config(folder)):
                choices.append(_choice(ref, "cache", folder, room))
        except ModelError as error:
            choices.append(ModelChoice(ref, one_line(ref), "cache", 0, None, error.message))
    return tuple(choices)


def next_smaller(needed: int, choices: tuple[ModelChoice, ...]) -> str | None:
    """Return the ref of the largest model that fits and is smaller than `needed` bytes; None where there is none."""
    smaller = [choice for choice in choices if choice.fits and 0 < choice.size_bytes < needed]
    return max(smaller, key=lambda choice: choice.size_bytes).ref if smaller else None


def recent_models(paths: Paths) -> tuple[str, ...]:
    """Return the refs of the models loaded last, newest first; empty where the note of them cannot be read."""
    try:
        with _recent_file(paths).open("rb") as file:
            value = json.loads(file.read(_MAX_FILE))
    except (OSError, ValueError, RecursionError):
        return ()
    refs = value.get("recent") if isinstance(value, dict) else None
    kept = [ref for ref in refs if isinstance(ref, str) and ref and ref != DEMO] if isinstance(refs, list) else []
    return tuple(dict.fromkeys(kept))[:MAX_RECENT]


def remember_model(paths: Paths, ref: str) -> None:
    """Note that a model was loaded; a folder or file by its absolute path, the built-in one not at all.

    Raises:
        LibraryError: The note cannot be written.
    """
    if ref == DEMO:
        return
    expanded = os.path.expanduser(ref)
    if _is_path(ref) or os.path.exists(expanded):
        ref = os.path.abspath(expanded)
    refs = list(dict.fromkeys((ref, *recent_models(paths))))[:MAX_RECENT]
    write_atomic(_recent_file(paths), json.dumps({"version": 1, "recent": refs}).encode())


def _recent_file(paths: Paths) -> Path:
    return paths.state / "models.json"


def _is_path(ref: str) -> bool:
    return os.path.isabs(ref) or ref.startswith(("~", "."))


def _choice(ref: str, kind: Kind, folder: Path | None, room: Room, note: str = "") -> ModelChoice:
    """Return the choice for a model whose files lie in `folder`, itself a `.gguf` file where the ref names one."""
    name = one_line(ref)
    if folder is None:
        return ModelChoice(ref, name, kind, 0, None, "not in the local cache any more")
    try:
        if folder.suffix == ".gguf" and folder.is_file():
            return ModelChoice(ref, name, kind, size_of([folder]), None, "packed weights")
        if not folder.is_dir():
            raise ModelError("is not there any more" if kind != "demo" else "missing from this installation")
        config, files = read_config(folder), weight_files(folder)
        fits = _fits(config, count_tensors(files), room)
        return ModelChoice(ref, name, kind, size_of(files), fits, note or (OWN_CODE if "auto_map" in config else ""))
    except ModelError as error:
        return ModelChoice(ref, name, kind, size_of(_any_weights(folder)), None, error.message)


def _fits(config: dict[str, object], tensors: Tensors, room: Room) -> bool | None:
    return None if room.free is None else needed_bytes(tensors, room.itemsize, config) <= room.free


def _any_weights(folder: Path) -> Iterator[Path]:
    for pattern in ("*.safetensors", "*.bin"):
        yield from folder.glob(pattern)
