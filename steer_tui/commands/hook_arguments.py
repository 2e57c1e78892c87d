"""What the command line says about hooks: `--hooks FILE`, `--hook LINE`, and the filters of `points`.

Knows names only; it imports neither torch nor textual.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from steer_tui.engine.hookkinds import KINDS, WHEN
from steer_tui.engine.hookline import FORM


def add_hooks(parser: argparse.ArgumentParser) -> None:
    """Give `generate` its hooks."""
    group = parser.add_argument_group("hooks, which act on the steered text after the recipe")
    group.add_argument(
        "--hooks",
        metavar="FILE",
        type=Path,
        help="a Python file that defines hooks, and HOOKS = [(point, hook)]; it is run",
    )
    group.add_argument(
        "--hook",
        metavar=FORM,
        action="append",
        default=[],
        help="such as layer_3=scale,factor=0.5, or a hook of the file by its name; several are put on in order",
    )

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _kinds()


def _kinds() -> str:
    """Return the ready-made hooks with their parameters, one line each, and what all that change something take."""
    lines = []
    for kind in KINDS:
        names = ", ".join(parameter.name for parameter in kind.parameters)
        lines.append(f"  {kind.name:12} {kind.summary}{f' ({names})' if names else ''}")
    shared = ", ".join(parameter.name for parameter in WHEN)
    note = f"those that change something also take {shared} and rows; `steer-tui points` lists the points"
    return "\n".join(["kinds of hooks:", *lines, *textwrap.wrap(note, 78, initial_indent="  ", subsequent_indent="  ")])


def add_points(parser: argparse.ArgumentParser) -> None:
    """Give `points` its filters."""
    parser.add_argument(
        "filter", metavar="FILTER", nargs="?", default="", help="only names with this in them; * stands for anything"
    )
    parser.add_argument("--layers", metavar="SPAN", help="only points of these blocks, such as 0 or 3-5")
    parser.add_argument("--named", action="store_true", help="leave out the module paths")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
