"""The vector that a command line names: by name, for the model in use where several have one, or by its file's path."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from steer_tui.commands.console import note
from steer_tui.commands.open_model import model_ref, settings
from steer_tui.engine.recipe import nearest_names
from steer_tui.errors import UsageError
from steer_tui.files import expanded
from steer_tui.library.entries import SUFFIX, VectorEntry, belongs_to, read_entry
from steer_tui.library.store import VectorStore
from steer_tui.library.trash import Removed
from steer_tui.options import Options
from steer_tui.paths import find_paths


def open_store(options: Options) -> VectorStore:
    """Return the library."""
    return VectorStore(find_paths(options.data_dir))


def find_vector(options: Options, name: str) -> VectorEntry:
    """Return the vector of that name or path; of several models' the model in use comes first, and the user's own.

    Raises:
        UsageError: There is none, or several models have one and none of them is in use.
    """
    entries = open_store(options).list(model_name(options.model))
    if name.endswith(SUFFIX) and os.path.lexists(name):
        path = Path(os.path.abspath(name))
        return next((entry for entry in entries if entry.path == path), None) or read_entry(path, is_bundled=False)
    found = [entry for entry in entries if entry.name == name]
    if not found:
        raise UsageError(f"no vector {name!r}", hint=nearest_names(name, {entry.name for entry in entries}))
    preferred = _of_one_model(options, found)
    own = [entry for entry in preferred if not entry.bundled]
    if len(own) > 1:
        raise UsageError(f"{len(own)} files are vectors called {name!r}", hint=f"name one by its path: {own[0].path}")
    return preferred[0]


def find_removed(options: Options, name: str) -> Removed:
    """Return what was removed last under that name, or the file at that path in the trash.

    Raises:
        UsageError: There is none, or several models lost one and none of them is in use.
    """
    trash = open_store(options).trash(model_name(options.model))
    by_path = next((removed for removed in trash if str(removed.path) == os.path.abspath(name)), None)
    if by_path is not None:
        return by_path
    found = {removed.path: removed for removed in trash if removed.name == name}
    if not found:
        names = {removed.name for removed in trash}
        near = get_close_matches(name, names, 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`steer-tui vectors trash` lists what was removed"
        raise UsageError(f"no vector {name!r} in the trash", hint=hint)
    return found[_of_one_model(options, [removed.entry for removed in found.values()])[0].path]


def tell_rivals(options: Options, entry: VectorEntry) -> None:
    """Say on stderr where other vectors have the name of one that was just kept."""
    for listed in open_store(options).catalogue(None):
        if listed.entry.path == entry.path and listed.note is not None:
            note(f"{entry.name} {listed.note}" if listed.note.startswith("wins") else f"{entry.name}: {listed.note}")


def _of_one_model(options: Options, found: list[VectorEntry]) -> list[VectorEntry]:
    """Return the entries of the model in use, else all where they are of one model."""
    in_use = model_in_use(options)
    preferred = [entry for entry in found if in_use is not None and belongs_to(entry, in_use)] or found
    models = {entry.meta.model["id"] if entry.meta else entry.path.parent.name for entry in preferred}
    if len(models) > 1:
        raise UsageError(
            f"{len(models)} models have a vector {found[0].name!r}", hint=f"--model {' or '.join(sorted(models))}"
        )
    return preferred


def model_in_use(options: Options) -> str | None:
    """Return the id of the model that a command would load."""
    paths = find_paths(options.data_dir)
    return model_name(model_ref(options, paths, settings(paths)))


def model_name(ref: str | None) -> str | None:
    """Return the id under which the library keeps a model's vectors; a folder is known by its last part."""
    if ref is None:
        return None
    path = expanded(ref)
    return path.resolve().name if os.path.exists(path) else ref
