"""`locate PLACE`: print where a thing is kept. It makes no folder and reads no file."""

from __future__ import annotations

import argparse
import sys

from steer_tui.options import Options
from steer_tui.paths import find_paths


def run(options: Options, args: argparse.Namespace) -> int:
    """Print one path on stdout, whether it exists yet or not."""
    paths = find_paths(options.data_dir)
    places = {
        "config": paths.config,
        "data": paths.data,
        "state": paths.state,
        "themes": paths.themes,
        "vectors": paths.vectors,
        "log": paths.log,
    }
    sys.stdout.write(f"{places[args.place]}\n")
    return 0
