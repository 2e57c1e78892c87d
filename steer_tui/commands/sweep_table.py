"""A sweep as tables on stdout: figures by layers and strengths, the best cell's text beside the baseline's."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steer_tui.commands.console import print_table
from steer_tui.engine.recipe import format_number
from steer_tui.engine.sweepgrid import Grid, SweepResult, nats
from steer_tui.engine.sweeptypes import Cell
from steer_tui.text import one_line, truncate

_TITLES = {"concept": "concept (0 as little as its opposite, 1 as much as its examples)", "kl_mean": "KL, nats"}
_SHARE = {"share": "share of texts that show it"}
_LEGEND = "* best   . no more than a random direction   ! broken: repeats, no words, or not a number"
_TEXT_CELLS = 300


def print_result(result: SweepResult) -> None:
    """Print every grid."""
    for place, grid in enumerate(result.grids):
        _say("" if place else None, f"== {grid.name}" if len(result.grids) > 1 else None)
        _print_grid(grid, result)


def _print_grid(grid: Grid, result: SweepResult) -> None:
    measures = _TITLES if result.request.measures else {"distinct_2": "distinct-2"}
    if any(cell.share is not None for cell in grid.cells):
        measures = {**measures, **_SHARE}
    if result.request.mix:
        _print_mix(grid, measures)
    else:
        for measure, title in measures.items():
            _say(title)
            head = ["layers", *(f"{format_number(strength):>8}" for strength in grid.columns)]
            print_table(head, [_row(grid, span, measure) for span in grid.rows] + _bands(grid, measure))
            _say("")
    if grid.cells:
        _say(_LEGEND)
    if grid.baseline is not None:
        _say(f"baseline: {figures(grid.baseline)}")
    if grid.controls.prompt is not None:
        _say(f"asked for in words: {figures(grid.controls.prompt)}")
    if grid.controls.shuffled:
        _say(f"labels shuffled: {figures(grid.controls.shuffled[-1])}")
    best = grid.best
    if best is None:
        _say(f"no cell is within {nats(grid.kl_budget)}" if result.request.measures else None)
    else:
        _print_best(best, grid)


def _print_best(best: Cell, grid: Grid) -> None:
    _say(f"best within {nats(grid.kl_budget)}: {best.recipe}   {figures(best)}")
    if grid.is_noise(best):
        _say("  no more than a random direction does: try stronger ones, or layers together with --rows best")
    elif not grid.name.count("+") and len(grid.columns) > 1 and best.strength == max(grid.columns, key=abs):
        _say("  it is the strongest one of the grid: --refine looks beyond it")
    if len(grid.front) > 1:
        _say(f"front, by rising KL: {'  '.join(cell.recipe for cell in grid.front)}")
    if best.texts:
        _say(f"  steered:  {truncate(one_line(best.texts[0].text), _TEXT_CELLS)}")
    if grid.baseline is not None and grid.baseline.texts:
        _say(f"  baseline: {truncate(one_line(grid.baseline.texts[0].text), _TEXT_CELLS)}")


def _print_mix(grid: Grid, measures: dict[str, str]) -> None:
    head = [*(f"{name:>8}" for name in grid.name.split("+")), *measures]
    rows = [
        [
            *(f"{format_number(weight):>8}" for weight in cell.strengths),
            *(_shown(grid, cell, name) for name in measures),
        ]
        for cell in grid.cells
    ]
    print_table(head, rows)
    _say("")


def _row(grid: Grid, span: str, measure: str) -> list[str]:
    return [span, *(_shown(grid, grid.at(span, strength), measure) for strength in grid.columns)]


def _shown(grid: Grid, cell: Cell | None, measure: str) -> str:
    """Return a figure in eight cells, its mark behind it."""
    if cell is None:
        return " " * 8
    value, best = cell.figure(measure), grid.best
    text = "-" if value is None else f"{value:.0%}" if measure == "share" else f"{value:.2f}"
    mark = " "
    if cell.problem is not None:
        mark = "!"
    elif best is not None and best.key == cell.key:
        mark = "*"
    elif measure == "concept" and grid.is_noise(cell):
        mark = "."
    return f"{text:>7}{mark}"


def _bands(grid: Grid, measure: str) -> list[Sequence[str]]:
    """Return two rows: between which figures random directions fall."""
    bands = [grid.controls.band(measure, strength) for strength in grid.columns]
    if not any(bands):
        return []
    shown = "{:7.0%} " if measure == "share" else "{:7.2f} "
    low = ["random, from", *(shown.format(band.low) if band else "" for band in bands)]
    high = ["random, to", *(shown.format(band.high) if band else "" for band in bands)]
    return [low, high]


def figures(cell: Cell) -> str:
    """Return a cell's figures in one line."""
    names = {"concept": "concept", "kl_mean": "KL", "perplexity": "perplexity", "distinct_2": "distinct-2"}
    parts = []
    for key, name in names.items():
        value, spread = cell.figure(key), cell.spread.get(key)
        if value is not None:
            parts.append(f"{name} {value:.2f}" + (f" ± {spread:.2f}" if spread is not None else ""))
    if cell.relative_norm:
        parts.append(f"added {cell.relative_norm:.0%} of the norm")
    if cell.share is not None:
        parts.append(f"{cell.share:.0%} show it")
    return "; ".join([*parts, *([cell.problem] if cell.problem else [])]) or "nothing measured"


def _say(*lines: str | None) -> None:
    for line in lines:
        if line is not None:
            sys.stdout.write(one_line(line) + "\n" if not line.startswith("  ") else f"  {one_line(line)}\n")
    sys.stdout.flush()
