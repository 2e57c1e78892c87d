"""`points`: every place in a model where an activation can be read or changed."""

from __future__ import annotations

import argparse

from steer_tui.commands.console import print_json, print_table
from steer_tui.commands.open_model import open_model
from steer_tui.options import Options


def run(options: Options, args: argparse.Namespace) -> int:
    """Print the hook points, then every module path, as a table or one JSON object on stdout."""
    points = open_model(options).hook_points.values()
    if args.json:
        entries = [
            {
                "name": point.name,
                "module": point.module,
                "shape": list(point.shape),
                "available": point.available,
                "reason": point.reason,
                "note": point.note,
            }
            for point in points
        ]
        print_json({"version": 1, "points": entries})
        return 0
    rows = [
        [point.name, point.module, "x".join(map(str, point.shape)), f"not here: {point.reason}" if point.reason else ""]
        for point in points
    ]
    print_table(["point", "module", "shape", ""], rows)
    return 0
