"""`models`: what can be loaded without a download. It reads configurations and file sizes, never weights."""

from __future__ import annotations

import argparse

from steer_tui.commands.console import print_json, print_table
from steer_tui.engine.memory import human
from steer_tui.engine.models import list_models
from steer_tui.options import Options
from steer_tui.paths import find_paths

_FITS = {True: "yes", False: "no", None: "?"}


def run(options: Options, args: argparse.Namespace) -> int:
    """Print the models as a table or one JSON object on stdout."""
    choices = list_models(find_paths(options.data_dir))
    if args.json:
        print_json({"version": 1, "models": [choice.to_json() for choice in choices]})
        return 0
    rows = [[choice.name, choice.kind, human(choice.size_bytes), _FITS[choice.fits], choice.note] for choice in choices]
    print_table(["model", "kind", "size", "fits", "note"], rows)
    return 0
