"""`vectors list` and `vectors show`: what is in the library, read from the files' headers alone.

The other commands below `vectors` are in modules of their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from steer_tui.commands.console import note, print_json, print_table
from steer_tui.commands.find_vector import find_vector, model_in_use, model_name, open_store
from steer_tui.engine.advice import advice
from steer_tui.engine.extractchoices import BLOCK_OUT
from steer_tui.engine.recipe import format_layers
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError
from steer_tui.library.catalogue import Listed
from steer_tui.library.entries import VectorEntry, belongs_to
from steer_tui.library.query import parse_query
from steer_tui.options import Options
from steer_tui.text import one_line

_MEASURES = (
    "separation",
    "consistency",
    "split_half",
    "auroc",
    "reversed",
    "relative_norm",
    "loss_before",
    "loss_after",
)
_KEEPING = ("rename", "remove", "restore", "trash", "verify", "tag")
_MAKING = ("mix", "negate", "orthogonal", "cosine")
_TRADING = ("import", "export")
_ELSEWHERE = (
    dict.fromkeys(_KEEPING, "vectors_keep")
    | dict.fromkeys(_MAKING, "vectors_make")
    | dict.fromkeys(_TRADING, "vectors_trade")
)
"""Command below `vectors` -> the module that does it."""


def run(options: Options, args: argparse.Namespace) -> int:
    """Do the command below `vectors` that `args.action` names."""
    if args.action in _ELSEWHERE:
        status: int = import_module(f"steer_tui.commands.{_ELSEWHERE[args.action]}").run(options, args)
        return status
    return _list(options, args) if args.action == "list" else _show(options, args)


def _list(options: Options, args: argparse.Namespace) -> int:
    listed = open_store(options).catalogue(None, parse_query(" ".join(args.query)))
    model = model_name(options.model)
    if model is not None:
        listed = [line for line in listed if belongs_to(line.entry, model)]
    else:
        in_use = model_in_use(options)
        listed.sort(key=lambda line: in_use is None or not belongs_to(line.entry, in_use))
    if args.json:
        print_json({"version": 1, "vectors": [line.entry.to_json() | {"note": line.note} for line in listed]})
        return 0
    if not listed:
        what = "no vectors" if not args.query else f"no vectors fit {' '.join(args.query)!r}"
        note(what if model is None else f"{what} for {options.model}")
        return 0
    print_table(["name", "model", "group", "method", "pairs", "best layers", "kept"], [_row(line) for line in listed])
    return 0


def _row(listed: Listed) -> list[str]:
    entry = listed.entry
    kept = "built in" if entry.bundled else "own"
    if listed.note is not None:
        kept += f"; {listed.note}"
    if entry.known is None:
        return [entry.name, entry.path.parent.name, "", "", "", "", f"{kept}; {entry.problem}"]
    meta = entry.known
    layers = format_layers(tuple(sorted(meta.best_layers)))
    return [entry.name, meta.model["id"], meta.group, meta.method, str(meta.pairs), layers, kept]


def _show(options: Options, args: argparse.Namespace) -> int:
    entry = find_vector(options, args.name)
    if args.json:
        print_json({"version": 1, **entry.to_json()})
        return 0 if entry.meta is not None else 1
    if entry.meta is None:
        raise LibraryError(f"{entry.path} {entry.problem}")
    print_vector(entry, entry.meta)
    return 0


def print_vector(entry: VectorEntry, meta: VectorMeta) -> None:
    """Print what is known of a vector, and a row for each of its layers."""
    made_for = meta.model
    fields = {
        "name": entry.name,
        "group": meta.group,
        "description": meta.description,
        "tags": ", ".join(meta.tags),
        "model": f"{made_for['id']} ({made_for['type']}, {made_for['layers']} layers, width {made_for['width']})",
        "method": ", ".join(part for part in (meta.method, meta.read and f"read: {meta.read}") if part),
        "acts at": "" if meta.site == BLOCK_OUT else meta.site,
        "pairs": str(meta.pairs) if meta.pairs else "",
        "parents": ", ".join(meta.parents),
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
    measures = [name for name in _MEASURES if any(name in known for known in meta.diagnostics.values())]
    head = ["layer", "residual norm", *(name.replace("_", " ") for name in measures)]
    print_table(head, [_layer_row(meta, layer, measures) for layer in entry.layers])
    told = advice(meta)
    if told:
        sys.stdout.write(f"\n{one_line(told)}\n")
    for odd in meta.disagreeing:
        sys.stdout.write(f"  pair {odd.pair + 1} ({odd.agreement:+.2f}): {odd.positive} | {odd.negative}\n")


def _layer_row(meta: VectorMeta, layer: int, measures: Sequence[str]) -> Sequence[str]:
    known = meta.diagnostics.get(layer, {})
    norm = meta.residual_norm.get(layer)
    numbers = [norm, *(known.get(measure) for measure in measures)]
    return [str(layer), *("" if number is None else f"{number:.2f}" for number in numbers)]
