"""`doctor`: what works on this machine, with one line of advice each. It changes nothing and sends nothing anywhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from steer_tui.commands.check import Check
from steer_tui.commands.check_files import file_checks
from steer_tui.commands.check_machine import machine_checks
from steer_tui.commands.check_terminal import terminal_checks
from steer_tui.commands.console import Progress, print_json
from steer_tui.options import Options
from steer_tui.paths import find_paths
from steer_tui.text import one_line

_MARKS = {"ok": "ok  ", "note": "note", "broken": "FAIL"}


def run(options: Options, args: argparse.Namespace) -> int:
    """Print every check on stdout; exit status 1 where something is broken."""
    paths = find_paths(options.data_dir)
    groups: tuple[Callable[[], Iterator[Check]], ...] = (
        machine_checks,
        terminal_checks,
        lambda: file_checks(options, paths),
    )
    with Progress("looking") as progress:
        progress.show(None)
        checks = [check for group in groups for check in group()]
    broken = any(check.state == "broken" for check in checks)
    if args.json:
        print_json({"version": 1, "ok": not broken, "checks": [check.to_json() for check in checks]})
    else:
        for check in checks:
            sys.stdout.write(f"{_MARKS[check.state]}  {check.name:13} {one_line(check.found)}\n")
            sys.stdout.write(f"      {'':13} {one_line(check.advice)}\n")
    return 1 if broken else 0
