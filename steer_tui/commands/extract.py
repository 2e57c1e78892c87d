"""`extract NAME`: make a steering vector from contrast texts and keep it in the library.

The texts are those of the concept NAME, bundled or own, or those that the command line gives.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from steer_tui.commands.console import Progress, note, print_json
from steer_tui.commands.open_model import open_model
from steer_tui.commands.vectors import print_vector
from steer_tui.engine.advice import advice
from steer_tui.engine.extractchoices import check_method, parse_read
from steer_tui.engine.recipe import Term, parse_layers
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError, RecipeError, UsageError
from steer_tui.library.concepts import Concept
from steer_tui.library.entries import read_entry
from steer_tui.library.keeper import Kept
from steer_tui.library.names import check_name
from steer_tui.library.pairfiles import read_pair_file, read_pairs, read_sentence_files
from steer_tui.library.pairtexts import system_pair
from steer_tui.library.store import VectorStore
from steer_tui.options import Options
from steer_tui.paths import Paths, find_paths
from steer_tui.session.shelf import Shelf
from steer_tui.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steer_tui.engine.model import LanguageModel
    from steer_tui.engine.types import ModelInfo

_SOURCES = "--pairs, --positive with --negative, --words or --system"


def run(options: Options, args: argparse.Namespace) -> int:
    """Make the vector, keep it, and print its metadata on stdout."""
    paths = find_paths(options.data_dir)
    store = VectorStore(paths)
    check_method(args.method)
    parse_read(args.read)
    given = _given(check_name(args.name), args)
    span = None if args.layers is None else Term(args.name, layers=parse_layers(args.layers))
    lm = open_model(options)
    concept = _concept(given, args.name, paths, store, lm.info)
    if args.show_tokens:
        return _show_tokens(lm, concept, args)
    from steer_tui.engine.extract import extract

    with Progress(f"reading examples of {concept.name}") as progress:
        made = extract(
            lm,
            [concept],
            method=args.method,
            read=args.read,
            site=args.at or args.site,
            layers=_layers(span, lm.info),
            template=args.template,
            on_progress=lambda done, total: progress.show(done / total),
            seed=args.seed,
        )
    _tell(store.keep(made[concept.name]), made[concept.name].meta, args)
    return 0


def _tell(kept: Kept, meta: VectorMeta, args: argparse.Namespace) -> None:
    """Print a vector's metadata, and where an earlier one of its name is now."""
    earlier = kept.earlier
    if args.json:
        places = {"path": str(kept.path), "replaced": None if earlier is None else str(earlier.path)}
        print_json(meta.to_json() | {"advice": advice(meta)} | places)
    else:
        print_vector(read_entry(kept.path, is_bundled=False), meta)
    if earlier is not None:
        name = earlier.name
        note(f"the earlier {name} is in the trash: `steer-tui vectors restore {name} --as NEW` brings it back")


def _show_tokens(lm: LanguageModel, concept: Concept, args: argparse.Namespace) -> int:
    """Print the first examples with what is read of them."""
    from steer_tui.engine.tokensread import marked, tokens_read

    shown = tokens_read(lm, concept, parse_read(args.read), args.template)
    if args.json:
        texts = [
            {"side": one.side, "text": one.text, "tokens": [[token.text, token.is_read] for token in one.tokens]}
            for one in shown
        ]
        print_json({"version": 1, "texts": texts})
        return 0
    sys.stdout.write("what stands between [ and ] is read\n")
    for one in shown:
        sys.stdout.write(f"{one.side} {one.text}: {one_line(marked(one))}\n")
    return 0


def _concept(given: Concept | None, name: str, paths: Paths, store: VectorStore, info: ModelInfo) -> Concept:
    """Return what to make the vector from; a damaged file of that name is not written over."""
    if given is None:
        try:
            return Shelf(paths, store, info).chosen([name])[0]
        except RecipeError as error:
            raise UsageError(
                f"there is no concept {name!r} to make it from", hint=f"to make it, give one of {_SOURCES}"
            ) from error
    problem = store.load_for(info).problems.get(name)
    if problem is not None:
        raise LibraryError(
            f"vector {name!r} {problem}", hint=f"`steer-tui vectors remove {name}` moves it to the trash"
        )
    return given


def _layers(span: Term | None, info: ModelInfo) -> Sequence[int] | None:
    """Return the blocks to read, None for all."""
    if span is None:
        return None
    if "best" in span.layers:
        raise UsageError("best layers are found by extracting", hint="write layers as 3, 3-5, 1+4 or all")
    return span.resolve_layers(info.layers, ())


def _given(name: str, args: argparse.Namespace) -> Concept | None:
    """Return the concept that the command line gives, None where it gives none."""
    files = args.positive is not None or args.negative is not None
    sources = sum((args.pairs is not None, files, args.words is not None, args.system is not None))
    if sources > 1:
        raise UsageError("examples come from one place", hint=f"give one of {_SOURCES}")
    if args.pairs is not None:
        found = read_pair_file(args.pairs)
        return found.as_concept(name, description=found.description or f"from {args.pairs.name}", path=args.pairs)
    if args.words is not None:
        return read_pairs(args.words, "words").as_concept(name, description=args.words)
    if args.system is not None:
        return system_pair(*args.system).as_concept(name, description="from two system prompts")
    if not files:
        return None
    if args.positive is None or args.negative is None:
        raise UsageError("both sides are needed", hint="give --positive FILE and --negative FILE")
    sides = read_sentence_files(args.positive, args.negative)
    description = f"from {args.positive.name} and {args.negative.name}"
    return sides.as_concept(name, description=description, path=args.positive)
