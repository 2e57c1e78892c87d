"""`bench`: tokens per second on this machine, on the model named or on random weights of a small model's size."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from steer_tui.commands.console import Progress, note, print_json, print_table
from steer_tui.options import Options

if TYPE_CHECKING:
    from steer_tui.engine.bench import Report
    from steer_tui.engine.model import LanguageModel


def run(options: Options, args: argparse.Namespace) -> int:
    """Measure, and print a table or one JSON object on stdout."""
    with Progress("loading") as progress:
        progress.show(None, options.model or "random weights")
        lm = _model(options)
    from steer_tui.engine.bench import bench

    with Progress("measuring") as progress:
        report = bench(lm, on_progress=lambda done, total: progress.show(done / total))
    if args.json:
        print_json(report.to_json())
    else:
        _print(report)
    return 0


def _model(options: Options) -> LanguageModel:
    if options.model is not None:
        from steer_tui.commands.open_model import open_model

        return open_model(options)
    from steer_tui.engine.placement import choose_placement
    from steer_tui.engine.random_llama import random_llama

    placement = choose_placement(options.device or "auto", options.dtype or "auto")
    return random_llama(placement.device, placement.dtype)


def _print(report: Report) -> None:
    floor = report.floor_tokens_per_second
    rows = [
        [
            speed.work,
            str(speed.rows),
            f"{speed.tokens_per_second:.1f}",
            f"{speed.tokens_per_second * speed.rows:.1f}",
            f"{speed.ratio:.2f} of {speed.to}",
        ]
        for speed in report.rows
    ]
    rows.append(["floor", "1", f"{floor:.1f}", f"{floor:.1f}", "memory bandwidth"])
    print_table(["work", "rows", "tok/s a row", "tok/s", "speed"], rows)
    model, machine = report.model, report.machine
    sys.stdout.flush()
    note(f"{model.ref}, {model.parameters / 1e6:.0f}M parameters, {model.device} {model.dtype}; {machine['processor']}")
