"""`vectors import` and `vectors export`: vector files of other tools, into the library and out of it.

What a file leaves open is asked where there is a terminal, and named as an option where there is none.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steer_tui.commands.console import complain, note, print_json
from steer_tui.commands.find_vector import find_vector
from steer_tui.commands.open_model import model_ref, open_model, settings
from steer_tui.engine.models import DEMO
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.formats.catalogue import Question
from steer_tui.library.names import is_name
from steer_tui.library.store import VectorStore
from steer_tui.library.trade import ImportResult, export_recipe, import_files
from steer_tui.options import Options
from steer_tui.paths import find_paths

if TYPE_CHECKING:
    from steer_tui.engine.vector import SteeringVector

_FAILED, _UNANSWERED = 1, 2


@dataclass(frozen=True)
class _Answers:
    """What was said of the files' origin."""

    producer: str | None
    layer_offset: int | None


def run(options: Options, args: argparse.Namespace) -> int:
    """Import files, or export a vector or a recipe."""
    return _import(options, args) if args.action == "import" else _export(options, args)


def _import(options: Options, args: argparse.Namespace) -> int:
    store = VectorStore(find_paths(options.data_dir))
    model = _model_for(options, store)

    def take(paths: list[Path], answers: _Answers) -> list[ImportResult]:
        return import_files(
            paths,
            store,
            model=model,
            insist=options.model is not None,
            name=args.name,
            producer=answers.producer,
            layer_offset=answers.layer_offset,
        )

    results = take(args.files, _Answers(args.producer, args.layer_offset))
    if not args.json and sys.stdin.isatty() and sys.stderr.isatty():
        results = [_asked(result, take) for result in results]
    if args.json:
        print_json({"version": 1, "results": [result.to_json() for result in results]})
    return max(_tell(result, quiet=args.json) for result in results)


def _tell(result: ImportResult, *, quiet: bool) -> int:
    """Print what became of a file; return its part of the exit status."""
    if result.error is not None or result.question is not None:
        complain(result.line, result.hint)
        return _FAILED if result.question is None else _UNANSWERED
    if not quiet:
        sys.stdout.write(f"{result.line}\n")
        for line in result.notes:
            note(f"note: {result.path.name}: {line}")
    return 0


def _asked(result: ImportResult, take: Callable[[list[Path], _Answers], list[ImportResult]]) -> ImportResult:
    """Return what became of a file once its question, if it has one, is answered at the terminal."""
    if result.question is None:
        return result
    note(result.line)
    answers = _answer(result.question)
    return result if answers is None else take([result.path], answers)[0]


def _answer(question: Question) -> _Answers | None:
    """Ask until there is an answer; None where none is given."""
    for number, choice in enumerate(question.choices, 1):
        note(f"{number}: {choice.label}")
    while True:
        sys.stderr.write("number (enter leaves it out): " if question.choices else "block (enter leaves it out): ")
        sys.stderr.flush()
        text = sys.stdin.readline().strip()
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 5):
            continue
        if not question.choices:
            return _Answers(None, int(text))
        if 1 <= int(text) <= len(question.choices):
            return _Answers(question.choices[int(text) - 1].producer, None)


def _model_for(options: Options, store: VectorStore) -> MadeFor:
    """Return the model that imported vectors are meant for; the demo model is known without loading it."""
    paths = find_paths(options.data_dir)
    if model_ref(options, paths, settings(paths)) == DEMO:
        shipped = next((entry.meta for entry in store.list(DEMO) if entry.bundled and entry.meta is not None), None)
        if shipped is not None:
            return shipped.model
    info = open_model(options).info
    return MadeFor(id=info.id, type=info.type, layers=info.layers, width=info.width, fingerprint=info.fingerprint)


def _export(options: Options, args: argparse.Namespace) -> int:
    result = export_recipe(args.name, args.file, _vectors_of(options, args.name), format=args.format)
    if args.json:
        print_json(result.to_json())
        return 0
    sys.stdout.write(f"{result.line}\n")
    for line in result.notes:
        note(f"note: {line}")
    return 0


def _vectors_of(options: Options, text: str) -> Mapping[str, SteeringVector]:
    """Return the vectors that a name, a file of the library or a recipe names, by what it calls them.

    Raises:
        UsageError: One is not there, or several models have it.
        RecipeError: The text is neither a name nor a recipe.
        LibraryError: A file is damaged.
    """
    store = VectorStore(find_paths(options.data_dir))
    is_file = text.endswith(".safetensors") and os.path.isfile(text)
    names = [text] if is_file or is_name(text) else list(parse_recipe(text).names)
    if not names:
        raise UsageError("there is nothing to export", hint="name a vector, or a recipe such as happy:0.7,excited:0.3")
    found = {name: find_vector(options, name) for name in names}
    first = next(iter(found.values()))
    for name, entry in found.items():
        if entry.meta is None:
            raise LibraryError(f"{entry.path} {entry.problem}")
        if first.meta is not None and entry.meta.model["id"] != first.meta.model["id"]:
            raise UsageError(
                f"{first.name} was made for {first.meta.model['id']}, {name} for {entry.meta.model['id']}",
                hint="--model REF says whose vectors are meant",
            )
    return {name: store.load(entry.path) for name, entry in found.items()}
