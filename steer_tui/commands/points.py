"""`points`: every place in a model where an activation can be read or changed."""

from __future__ import annotations

import argparse
import difflib
from fnmatch import fnmatchcase

from steer_tui.commands.console import note, print_json, print_table
from steer_tui.commands.open_model import open_model
from steer_tui.engine.hookvalues import PointInfo
from steer_tui.engine.recipe import parse_layers
from steer_tui.errors import UsageError
from steer_tui.options import Options


def run(options: Options, args: argparse.Namespace) -> int:
    """Print the hook points, then every module path, as a table or one JSON object on stdout."""
    wanted = parse_layers(args.layers) if args.layers is not None else None
    lm = open_model(options)
    from steer_tui.engine.catalogue import point_infos

    points = point_infos(lm, modules=not args.named)
    chosen = [point for point in points if _is_wanted(point, args.filter, _blocks(wanted, lm.info.layers))]
    if not chosen and (args.filter or args.layers):
        raise _nothing(args, [point.name for point in points])
    if args.json:
        print_json({"version": 1, "points": [point.to_json() for point in chosen]})
        return 0
    rows = [[point.name, point.module, " x ".join(map(str, point.shape)), _remark(point)] for point in chosen]
    print_table(["point", "module", "shape", ""], rows)
    note(f"{len(chosen)} of {len(points)} points")
    return 0


def _blocks(wanted: tuple[int | str, ...] | None, count: int) -> frozenset[int] | None:
    """Return the blocks of a span; None for every point, those outside the blocks included.

    Raises:
        UsageError: The model has no such block.
    """
    if wanted is None:
        return None
    if any(isinstance(part, str) for part in wanted):
        return frozenset(range(count))
    blocks = frozenset(int(part) for part in wanted)
    if max(blocks) >= count:
        raise UsageError(f"there is no block {max(blocks)}", hint=f"the model has blocks 0 to {count - 1}")
    return blocks


def _is_wanted(point: PointInfo, text: str, blocks: frozenset[int] | None) -> bool:
    is_there = blocks is None or point.layer in blocks
    return is_there and fnmatchcase(point.name.lower(), f"*{text.lower()}*")


def _nothing(args: argparse.Namespace, names: list[str]) -> UsageError:
    near = difflib.get_close_matches(args.filter, names, n=3, cutoff=0.4)
    where = f" in blocks {args.layers}" if args.layers is not None else ""
    hint = f"nearest: {', '.join(near)}" if near and not where else "`steer-tui points` lists all"
    return UsageError(f"no hook point has {args.filter!r} in its name{where}", hint=hint)


def _remark(point: PointInfo) -> str:
    return f"not here: {point.reason}" if point.reason else ""
