"""`vectors list` and `vectors show`: what is in the library, read from the files' headers alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from steer_tui.commands.console import note, print_json, print_table
from steer_tui.commands.open_model import model_ref, settings
from steer_tui.engine.recipe import format_layers, nearest_names
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.entries import VectorEntry, belongs_to, read_entry
from steer_tui.library.store import VectorStore
from steer_tui.options import Options
from steer_tui.paths import find_paths
from steer_tui.text import one_line

_MEASURES = ("separation", "consistency", "split_half", "auroc")


def run(options: Options, args: argparse.Namespace) -> int:
    """List the library or show one of its vectors."""
    return _list(options, args) if args.action == "list" else _show(options, args)


def _list(options: Options, args: argparse.Namespace) -> int:
    entries = VectorStore(find_paths(options.data_dir)).list(_model_name(options.model))
    if args.json:
        print_json({"version": 1, "vectors": [entry.to_json() for entry in entries]})
        return 0
    if not entries:
        note("no vectors" if options.model is None else f"no vectors for {options.model}")
        return 0
    print_table(
        ["name", "model", "group", "method", "pairs", "best layers", "kept"], [_row(entry) for entry in entries]
    )
    return 0


def _row(entry: VectorEntry) -> list[str]:
    kept = "bundled" if entry.bundled else "own"
    if entry.meta is None:
        return [entry.name, entry.path.parent.name, "", "", "", "", f"{kept}; {entry.problem}"]
    meta = entry.meta
    layers = format_layers(tuple(sorted(meta.best_layers)))
    return [entry.name, meta.model["id"], meta.group, meta.method, str(meta.pairs), layers, kept]


def _show(options: Options, args: argparse.Namespace) -> int:
    entry = _find(options, args.name)
    if args.json:
        print_json({"version": 1, **entry.to_json()})
        return 0
    if entry.meta is None:
        raise LibraryError(f"{entry.path} {entry.problem}")
    print_vector(entry, entry.meta)
    return 0


def _find(options: Options, name: str) -> VectorEntry:
    """Return the vector of that name or path; of several models' the model in use comes first.

    Raises:
        UsageError: There is none, or several models have one and none of them is in use.
    """
    paths = find_paths(options.data_dir)
    if name.endswith(".safetensors") and Path(name).is_file():
        return read_entry(Path(name).absolute(), is_bundled=False)
    entries = VectorStore(paths).list(_model_name(options.model))
    found = [entry for entry in entries if entry.name == name]
    if not found:
        raise UsageError(f"no vector {name!r}", hint=nearest_names(name, {entry.name for entry in entries}))
    in_use = _model_name(model_ref(options, paths, settings(paths)))
    preferred = [entry for entry in found if in_use is not None and belongs_to(entry, in_use)] or found
    folders = {entry.path.parent.name for entry in preferred}
    if len(folders) > 1:
        raise UsageError(
            f"{len(folders)} models have a vector {name!r}", hint=f"--model {' or '.join(sorted(folders))}"
        )
    return preferred[0]


def _model_name(ref: str | None) -> str | None:
    """Return the id under which the library keeps a model's vectors; a folder is known by its last part."""
    if ref is None:
        return None
    path = Path(ref).expanduser()
    return path.resolve().name if path.exists() else ref


def print_vector(entry: VectorEntry, meta: VectorMeta) -> None:
    """Print what is known of a vector, and a row for each of its layers."""
    made_for = meta.model
    fields = {
        "name": entry.name,
        "group": meta.group,
        "description": meta.description,
        "tags": ", ".join(meta.tags),
        "model": f"{made_for['id']} ({made_for['type']}, {made_for['layers']} layers, width {made_for['width']})",
        "method": f"{meta.method}, read: {meta.read}" if meta.read else meta.method,
        "pairs": str(meta.pairs) if meta.pairs else "",
        "best layers": format_layers(tuple(sorted(meta.best_layers))),
        "recipe": meta.default_recipe or "",
        "created": meta.created,
        "source": ", ".join(f"{key} {value}" for key, value in (meta.source or {}).items()),
        "path": str(entry.path),
    }
    for name, value in fields.items():
        if value:
            sys.stdout.write(f"{name + ':':13}{one_line(value)}\n")
    sys.stdout.write("\n")
    print_table(["layer", "residual norm", *_MEASURES], [_layer_row(meta, layer) for layer in entry.layers])


def _layer_row(meta: VectorMeta, layer: int) -> Sequence[str]:
    known = meta.diagnostics.get(layer, {})
    norm = meta.residual_norm.get(layer)
    numbers = [norm, *(known.get(measure) for measure in _MEASURES)]
    return [str(layer), *("" if number is None else f"{number:.2f}" for number in numbers)]
