"""`export FOLDER --steer RECIPE`: the steered model as an ordinary model folder, with no hook left to run."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from steer_tui.commands.console import Progress, print_json
from steer_tui.commands.open_model import open_model
from steer_tui.engine.recipe import parse_recipe
from steer_tui.errors import UsageError
from steer_tui.options import Options
from steer_tui.paths import find_paths
from steer_tui.text import one_line


def run(options: Options, args: argparse.Namespace) -> int:
    """Fold the recipe into the weights, write the folder, and print which weights changed and by how much."""
    recipe = parse_recipe(args.steer or "")
    if not recipe.terms and not args.without:
        raise UsageError("export needs --steer or --without", hint="such as --steer happy:1")
    from steer_tui.commands.ready_vectors import ready_vectors
    from steer_tui.engine.export import check_folder, export_model
    from steer_tui.engine.steeredweights import check_terms, steered_weights

    check_terms(recipe)
    check_folder(args.folder)
    lm = open_model(options)
    vectors = ready_vectors(lm, [*recipe.names, *args.without], find_paths(options.data_dir))
    with Progress(f"writing {args.folder}") as progress, steered_weights(lm, recipe, vectors, args.without) as edits:
        progress.show(None)
        folder = export_model(lm, args.folder)
    if args.json:
        told = [{"title": edit.title, "changes": [asdict(change) for change in edit.preview]} for edit in edits]
        asked = {"recipe": str(recipe), "without": args.without}
        print_json({"version": 1, "model": lm.info.to_json(), **asked, "folder": str(folder), "edits": told})
        return 0
    for edit in edits:
        for change in edit.preview:
            sys.stdout.write(f"{one_line(str(change))}\n")
    shown = one_line(str(folder))
    sys.stdout.write(f"written to {shown}: transformers loads it, and so does `steer-tui --model {shown}`\n")
    return 0
