"""`extract NAME`: make a steering vector from contrast texts and keep it in the library.

The texts are those of the concept NAME, bundled or own, or of two files with one text per line.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from steer_tui.commands.console import Progress, print_json
from steer_tui.commands.open_model import open_model
from steer_tui.commands.vectors import print_vector
from steer_tui.engine.recipe import Term, parse_layers
from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.concepts import Concept
from steer_tui.library.entries import read_entry
from steer_tui.library.names import check_name
from steer_tui.library.store import VectorStore
from steer_tui.options import Options
from steer_tui.paths import Paths, find_paths
from steer_tui.session.shelf import Shelf
from steer_tui.text import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steer_tui.engine.types import ModelInfo

MAX_FILE = 16 << 20


def run(options: Options, args: argparse.Namespace) -> int:
    """Make the vector, keep it, and print its metadata on stdout."""
    paths = find_paths(options.data_dir)
    store = VectorStore(paths)
    given = _from_files(check_name(args.name), args.positive, args.negative)
    span = None if args.layers is None else Term(args.name, layers=parse_layers(args.layers))
    lm = open_model(options)
    concept = _concept(given, args.name, paths, store, lm.info)
    from steer_tui.engine.extract import extract

    layers = _layers(span, lm.info)
    with Progress(f"reading examples of {concept.name}") as progress:
        made = extract(lm, [concept], layers=layers, on_progress=lambda done, total: progress.show(done / total))
    vector = made[concept.name]
    path = store.save(vector)
    if args.json:
        print_json(vector.meta.to_json())
    else:
        print_vector(read_entry(path, is_bundled=False), vector.meta)
    return 0


def _concept(given: Concept | None, name: str, paths: Paths, store: VectorStore, info: ModelInfo) -> Concept:
    """Return what to make the vector from; a damaged file of that name is not written over."""
    if given is None:
        return Shelf(paths, store, info).chosen([name])[0]
    problem = store.load_for(info).problems.get(name)
    if problem is not None:
        raise LibraryError(f"vector {name!r} {problem}", hint="move its file away to make the vector anew")
    return given


def _layers(span: Term | None, info: ModelInfo) -> Sequence[int] | None:
    """Return the blocks to read, None for all."""
    if span is None:
        return None
    if "best" in span.layers:
        raise UsageError("best layers are found by extracting", hint="write layers as 3, 3-5, 1+4 or all")
    return span.resolve_layers(info.layers, ())


def _from_files(name: str, positive: Path | None, negative: Path | None) -> Concept | None:
    """Return the concept that two files give, None where none is named."""
    if positive is None and negative is None:
        return None
    if positive is None or negative is None:
        raise UsageError("both sides are needed", hint="give --positive FILE and --negative FILE")
    description = one_line(f"from {positive.name} and {negative.name}")
    return Concept(name, "own", description, _texts(positive), _texts(negative), (), (), positive, False)


def _texts(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_FILE:
        raise UsageError(f"{path} is larger than {MAX_FILE >> 20} MiB")
    texts = tuple(line.strip() for line in clean(data.decode("utf-8", "replace")).splitlines() if line.strip())
    if not texts:
        raise UsageError(f"{path} holds no text", hint="one text per line")
    return texts
