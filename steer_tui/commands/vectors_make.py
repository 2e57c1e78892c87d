"""`vectors mix|negate|orthogonal|cosine`: arithmetic with the vectors of one model; a result is kept in the library."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from steer_tui.commands.console import print_json, print_table
from steer_tui.commands.find_vector import find_vector, open_store, tell_rivals
from steer_tui.commands.vectors import print_vector
from steer_tui.engine.recipe import Term, format_number, parse_recipe
from steer_tui.errors import UsageError
from steer_tui.library.entries import read_entry
from steer_tui.library.names import check_name
from steer_tui.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steer_tui.engine.arithmetic import CosineMap, Matrix
    from steer_tui.engine.vector import SteeringVector


def run(options: Options, args: argparse.Namespace) -> int:
    """Make the new vector, keep it and print it; or print the cosines."""
    if args.action == "cosine":
        return _cosine(options, args)
    name = check_name(args.new)
    vector = _make(options, args, name)
    path = open_store(options).save(vector, replace=False)
    entry = read_entry(path, is_bundled=False)
    if args.json:
        print_json({"version": 1, **entry.to_json()})
    else:
        print_vector(entry, vector.meta)
    tell_rivals(options, entry)
    return 0


def _make(options: Options, args: argparse.Namespace, name: str) -> SteeringVector:
    if args.action == "mix":
        terms = [_weighted(term) for text in args.terms for term in parse_recipe(text).terms]
        weights = [term.strength for term in terms]
        vectors = _load(options, [term.name for term in terms])
        from steer_tui.engine.arithmetic import mix

        return mix(name, list(zip(vectors, weights, strict=True)))
    if args.action == "negate":
        (vector,) = _load(options, [args.name])
        from steer_tui.engine.arithmetic import negate

        return negate(name, vector)
    others = [other for other in (part.strip() for part in args.against.split(",")) if other]
    vector, *against = _load(options, [args.name, *others])
    from steer_tui.engine.arithmetic import orthogonalise

    return orthogonalise(name, vector, against)


def _weighted(term: Term) -> Term:
    """Return a term of which only name and weight are given.

    Raises:
        UsageError: It says more, which a mix cannot hold.
    """
    if term != Term(term.name, term.strength):
        shown = f"{term.name}:{format_number(term.strength)}"
        raise UsageError(f"{term} says more than a name and a weight", hint=f"write {shown}")
    return term


def _load(options: Options, names: Sequence[str]) -> list[SteeringVector]:
    entries = [find_vector(options, name) for name in names]
    store = open_store(options)
    return [store.load(entry.path) for entry in entries]


def _cosine(options: Options, args: argparse.Namespace) -> int:
    vectors = _load(options, args.names)
    from steer_tui.engine.arithmetic import cosines

    found = cosines(vectors)
    if args.json:
        print_json({"version": 1, **_plain(found)})
        return 0
    _print_matrix(f"mean of {len(found.layers)} layers", found.names, found.mean)
    if len(found.names) > 1:
        for layer in found.layers:
            sys.stdout.write("\n")
            _print_matrix(f"layer {layer}", found.names, found.by_layer[layer])
    return 0


def _plain(found: CosineMap) -> dict[str, object]:
    return {
        "names": found.names,
        "layers": found.layers,
        "mean": found.mean,
        "by_layer": {str(layer): matrix for layer, matrix in found.by_layer.items()},
    }


def _print_matrix(title: str, names: Sequence[str], matrix: Matrix) -> None:
    rows = [
        [name, *("" if value is None else f"{value:+.2f}" for value in row)]
        for name, row in zip(names, matrix, strict=True)
    ]
    print_table([title, *names], rows)
