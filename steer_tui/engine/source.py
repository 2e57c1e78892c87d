"""Turns what the user named into files on this machine: the built-in model, a folder, a file, or a hub model.

Promises the local cache before any download, and no network call of any kind when offline. Loads nothing.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from steer_tui.engine import hubcache
from steer_tui.engine.download import Approve, download
from steer_tui.engine.modelfiles import has_tokenizer, shown, weight_files
from steer_tui.engine.models import DEMO, demo_folder
from steer_tui.engine.progress import Progress
from steer_tui.errors import ModelError
from steer_tui.text import one_line


@dataclass(frozen=True, slots=True)
class Source:
    """A model's files."""

    ref: str
    """What the user asked for."""
    id: str
    """The model's own name: `demo`, the hub id, or the name of the folder or file."""
    folder: Path
    gguf: str | None = None
    """Name of the `.gguf` file in the folder; None for a folder in the Hugging Face layout."""


def find_source(ref: str, offline: bool, progress: Progress, approve: Approve) -> Source:
    """Return the files of the model that `ref` names, downloaded where they must be and may be.

    Args:
        ref: `demo`, a folder, a `.gguf` file or a hub id; what exists on disk wins over a hub id.
        offline: True forbids every network call, as HF_HUB_OFFLINE does.
        progress: Told of a download.
        approve: Asked before a model's weights are downloaded; raises to refuse.

    Raises:
        ModelError: There is no such model, here or there.
    """
    if ref == DEMO:
        if not (demo_folder() / "config.json").is_file():
            raise ModelError("the built-in model is missing from this installation", hint="install steer-tui again")
        return Source(ref, DEMO, demo_folder())
    path = Path(os.path.expanduser(ref))
    try:
        if path.is_dir():
            path = path.resolve()
            return Source(ref, one_line(path.name) or "model", path)
        if path.is_file():
            return _file_source(ref, path.resolve())
    except (OSError, ValueError) as error:  # a name too long, or one that holds a NUL
        raise ModelError(f"{one_line(ref)[:80]!r} names no model", hint=_list_hint()) from error
    if _looks_like_path(ref):
        raise ModelError(f"there is no {one_line(ref)}", hint=_list_hint())
    if not hubcache.is_hub_id(ref):
        raise ModelError(f"{one_line(ref)[:80]!r} is neither a file here nor a hub id", hint=_list_hint())
    return _hub_source(ref, offline, progress, approve)


def _file_source(ref: str, path: Path) -> Source:
    if path.suffix.lower() != ".gguf":
        raise ModelError(
            f"{shown(path)} is a single file, and only `.gguf` files are models by themselves",
            hint="name the folder that holds config.json and the weights",
        )
    return Source(ref, one_line(path.stem), path.parent, path.name)


def _looks_like_path(ref: str) -> bool:
    return ref.startswith((".", "~", os.sep)) or "\\" in ref or ref.count("/") > 1 or ref.endswith((".gguf", "/"))


def _hub_source(ref: str, offline: bool, progress: Progress, approve: Approve) -> Source:
    folder = hubcache.snapshot(ref)
    if folder is not None and _is_complete(folder):
        return Source(ref, ref, folder)
    if not offline and not hubcache.is_offline():
        return Source(ref, ref, download(ref, progress, approve))
    if folder is not None:
        weight_files(folder)  # says what is missing
        return Source(ref, ref, folder)
    close = difflib.get_close_matches(ref, [DEMO, *(name for name, _ in hubcache.cached_models())], 1)
    raise ModelError(
        f"{ref} is not in the local cache, and downloads are off",
        hint=f"did you mean {close[0]}?" if close else "go online, or choose a model that `steer-tui models` lists",
    )


def _is_complete(folder: Path) -> bool:
    try:
        return bool(weight_files(folder)) and has_tokenizer(folder)
    except ModelError:
        return False


def _list_hint() -> str:
    return "`steer-tui models` lists what is here; a hub id looks like owner/name"
