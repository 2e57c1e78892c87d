"""A sweep as CSV, JSON and Markdown, with the command line that repeats it. Texts only; no torch import.

Promises that every file can be read by what its name says, whatever the model wrote.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Sequence

from steer_tui.engine.recipe import Layers, format_layers, format_number
from steer_tui.engine.scope import ALL
from steer_tui.engine.sweepgrid import Grid, SweepResult, nats
from steer_tui.engine.sweeprequest import KL_BUDGET, RANDOMS, SweepRequest
from steer_tui.engine.sweeptypes import MEASURES, Cell
from steer_tui.engine.types import Sampling
from steer_tui.text import one_line

_HEAD = ("grid", "kind", "recipe", "layers", "strengths", *MEASURES, "problem", "is_best", "prompt", "seed", "text")
_SHOWN = {"concept": "concept", "kl_mean": "KL, nats", "perplexity": "perplexity", "distinct_2": "distinct-2"}
_SHARE = {"share": "share of texts that show it"}


def to_json_text(result: SweepResult) -> str:
    """Return the object of `sweep --json`, indented."""
    return json.dumps(result.to_json(), indent=1, allow_nan=False) + "\n"


def to_csv(result: SweepResult) -> str:
    """Return one line per text, the figures of its cell beside it; baseline and controls too."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEAD)
    for grid in result.grids:
        best = grid.best
        for cell in grid.all_cells():
            figures = [_plain(cell.figure(measure)) for measure in MEASURES]
            strengths = " ".join(map(format_number, cell.strengths))
            is_best = int(best is not None and cell.key == best.key)
            own = [grid.name, cell.kind, cell.recipe, cell.span, strengths, *figures, cell.problem or "", is_best]
            for text in cell.texts:
                writer.writerow([*own, result.request.prompts[text.prompt], text.seed, text.text])
    return out.getvalue()


def to_markdown(result: SweepResult) -> str:
    """Return a report: how it was made, a table per measure, the best cell's texts beside the baseline's."""
    request, model = result.request, result.model
    lines = [f"# Sweep of {_inline(', '.join(grid.name for grid in result.grids))}", ""]
    lines += [f"Model {_inline(model.id)} ({model.type}, {model.layers} layers, {model.dtype} on {model.device}).", ""]
    lines += ["Prompts:", "", *(f"- {_inline(prompt)}" for prompt in request.prompts), ""]
    lines += ["Repeat it with", "", f"    {one_line(command_of(result))}", ""]
    lines += [f"> {_inline(note)}" for note in result.notes] + ([""] if result.notes else [])
    if not result.complete:
        lines += ["It was stopped: cells are missing.", ""]
    for grid in result.grids:
        lines += _grid_section(grid, request)
    return "\n".join(lines).rstrip() + "\n"


def _grid_section(grid: Grid, request: SweepRequest) -> list[str]:
    lines = [f"## {_inline(grid.name)}", ""]
    best = grid.best
    if best is None:
        lines += [f"No cell is within {nats(grid.kl_budget)}.", ""]
    else:
        lines += [f"Best within {nats(grid.kl_budget)}: `{best.recipe}`, {_figures(best)}.", ""]
    if grid.baseline is not None:
        lines += [f"Baseline: {_figures(grid.baseline)}.", ""]
    if grid.controls.prompt is not None:
        lines += [f"Asked for in words instead: {_figures(grid.controls.prompt)}.", ""]
    has_share = any(cell.share is not None for cell in grid.cells)
    for measure, title in {**_SHOWN, **(_SHARE if has_share else {})}.items():
        lines += [f"### {title}", "", *_table(grid, measure, request.mix), ""]
    if best is not None:
        lines += _texts(best, grid.baseline, request.prompts)
    return lines


def _table(grid: Grid, measure: str, mix: bool) -> list[str]:
    if mix:
        head = [*grid.name.split("+"), measure]
        rows = [[*map(format_number, cell.strengths), _marked(grid, cell, measure)] for cell in grid.cells]
    else:
        head = ["layers", *map(format_number, grid.columns)]
        rows = [
            [span, *(_marked(grid, grid.at(span, strength), measure) for strength in grid.columns)]
            for span in grid.rows
        ]
        bands = [grid.controls.band(measure, strength) for strength in grid.columns]
        if any(bands):
            rows.append(["random", *("" if band is None else f"{band.low:.2f} to {band.high:.2f}" for band in bands)])
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _marked(grid: Grid, cell: Cell | None, measure: str) -> str:
    if cell is None:
        return ""
    value = cell.figure(measure)
    text = "" if value is None else f"{value:.2f}"
    best = grid.best
    text = f"**{text}**" if best is not None and best.key == cell.key else text
    return f"{text} {cell.problem}".strip() if cell.problem else text


def _texts(best: Cell, baseline: Cell | None, prompts: Sequence[str]) -> list[str]:
    lines = ["### Texts", "", _line(["prompt", "seed", "best", "baseline"]), _line(["---"] * 4)]
    for place, text in enumerate(best.texts):
        plain = baseline.texts[place].text if baseline is not None and place < len(baseline.texts) else ""
        lines.append(_line([_inline(prompts[text.prompt]), str(text.seed), _inline(text.text), _inline(plain)]))
    return [*lines, ""]


def _figures(cell: Cell) -> str:
    names = {"concept": "concept", "kl_mean": "KL", "perplexity": "perplexity", "distinct_2": "distinct-2"}
    parts = [f"{name} {value:.2f}" for key, name in names.items() if (value := cell.figure(key)) is not None]
    if cell.share is not None:
        parts.append(f"{cell.share:.0%} of its texts show it")
    return ", ".join([*parts, *([cell.problem] if cell.problem else [])]) or "nothing measured"


def _inline(text: str) -> str:
    """Return a text as one line that Markdown leaves as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&!])", r"\\\1", one_line(text))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(value: float | None) -> str:
    return "" if value is None else repr(value)


def command_of(result: SweepResult) -> str:
    """Return the command line that runs the same sweep again."""
    return command_line(result.request, result.model.ref)


def command_line(request: SweepRequest, model: str) -> str:
    """Return the command line that runs a request on a model; a request of its own always names all that matters."""
    words = ["steer-tui", "--model", model, "sweep"]
    for concept in request.concepts:
        words += ["--concept", concept]
    words += [f"--{name}" for name in ("mix", "auto", "refine") if getattr(request, name)]
    words += _layer_words(request.layers, request.mix)
    words += [f"--strengths={','.join(map(format_number, request.strengths))}"]
    words += ["--op", request.op] if request.op != "add" else []
    words += ["--scope", str(request.scope)] if request.scope != ALL else []
    words += _sampling_words(request.sampling)
    first, count = request.seeds[0], len(request.seeds)
    words += ["--seed", str(first)]
    if request.seeds != (first,):
        is_run = request.seeds == tuple(range(first, first + count))
        words += ["--seeds", str(count)] if is_run else [f"--seeds={','.join(map(str, request.seeds))}"]
    words += ["--raw"] if request.raw else []
    words += ["--kl", format_number(request.kl_budget)] if request.kl_budget != KL_BUDGET else []
    words += ["--no-controls"] if not request.controls else []
    words += ["--randoms", str(request.randoms)] if request.randoms != RANDOMS else []
    words += ["--no-measures"] if not request.measures else []
    return shlex.join([*words, "--", *request.prompts])


def _layer_words(rows: Sequence[Layers], mix: bool) -> list[str]:
    if not rows:
        return []
    if not mix and all(len(row) == 1 and isinstance(row[0], int) for row in rows):
        return ["--layers", format_layers(tuple(sorted(row[0] for row in rows if isinstance(row[0], int))))]
    return ["--rows", ",".join(map(format_layers, rows))]


def _sampling_words(sampling: Sampling) -> list[str]:
    words = ["--max-tokens", str(sampling.max_tokens), "--temperature", format_number(sampling.temperature)]
    words += ["--top-p", format_number(sampling.top_p)]
    return [*words, "--top-k", str(sampling.top_k)]
