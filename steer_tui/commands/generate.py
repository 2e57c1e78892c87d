"""`generate PROMPT --steer RECIPE`: stream steered text, or print one JSON object of all that was measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace

from steer_tui.commands.console import Progress, note, print_json, read_prompt
from steer_tui.commands.interrupt import stoppable
from steer_tui.commands.open_model import open_model, settings
from steer_tui.commands.run_hooks import hook_lines, hook_summary, load_file, with_hooks
from steer_tui.engine.hookvalues import vector_names
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.types import Request, RunResult, Sampling, Step
from steer_tui.errors import UsageError
from steer_tui.options import Options
from steer_tui.paths import Paths, find_paths
from steer_tui.text import one_line

INTERRUPTED = 130
SEED = 0
"""Of a run that names none: the same command gives the same text."""


def run(options: Options, args: argparse.Namespace) -> int:
    """Generate, and print the text or the JSON object on stdout."""
    paths = find_paths(options.data_dir)
    lines = hook_lines(args)
    if args.steer is None and not lines and args.hooks is None:
        raise UsageError("generate needs --steer, --hook or --hooks", hint="such as --steer happy:1")
    recipe = parse_recipe(args.steer or "")
    request = _request(args, paths)
    with redirect_stdout(sys.stderr):  # what a user's file prints is no result
        file = load_file(args)
    lm = open_model(options)
    from steer_tui.commands.ready_vectors import ready_vectors
    from steer_tui.engine.generate import Controls, generate

    request = with_hooks(request, lm, lines, file)
    vectors = ready_vectors(lm, [*recipe.names, *vector_names(request.hooks)], paths)
    controls = Controls()
    printer = _Printer(request.baseline)
    with stoppable(controls), Progress("generating") as progress, redirect_stdout(sys.stderr):
        on_step: Callable[[Step], None] = printer.take
        if args.json:
            on_step = _bar(progress, request.sampling.max_tokens)
        try:
            result = generate(lm, request, vectors, on_step=on_step, controls=controls, file=file)
        except BaseException:
            printer.break_off()
            raise
    if args.json:
        print_json(result.to_json())
    else:
        printer.finish(result)
        note(summary(result))
        for line in hook_summary(result):
            note(line)
    return INTERRUPTED if controls.stopped else 0


def _request(args: argparse.Namespace, paths: Paths) -> Request:
    config = settings(paths)
    usual = Sampling(config.temperature, config.top_p, config.top_k, SEED, config.max_tokens)
    asked = {name: getattr(args, name) for name in Sampling.__slots__ if getattr(args, name) is not None}
    sampling = replace(usual, **asked)
    recipe, has_hooks = one_line(args.steer or ""), bool(args.hook) or args.hooks is not None
    prompt = read_prompt(args.prompt)
    return Request(prompt, recipe, sampling, args.baseline, args.raw, statistics=args.json or has_hooks)


def _bar(progress: Progress, total: int) -> Callable[[Step], None]:
    return lambda step: progress.show((step.index + 1) / total, f"{step.index + 1} tokens")


class _Printer:
    """Writes the steered text as it comes; the unsteered text of the same steps waits for its end."""

    def __init__(self, both: bool) -> None:
        self._both = both
        self._out = sys.stdout
        self._written = {"steered": "", "baseline": ""}
        self._waiting: list[str] = []
        self._current = ""

    def take(self, step: Step) -> None:
        if step.steered is not None:
            self._write("steered", step.steered.text)
        if step.baseline is not None:
            self._waiting.append(step.baseline.text)
        if step.steered is None:  # it has ended: the other one may stream now
            self._write("baseline", "".join(self._waiting))
            self._waiting.clear()

    def finish(self, result: RunResult) -> None:
        """Write what is still missing, such as the end of a character that never came."""
        if self._current != "baseline":
            self._write("steered", result.steered.text[len(self._written["steered"]) :])
        if result.baseline is not None:
            self._write("baseline", result.baseline.text[len(self._written["baseline"]) :])
        self._out.write("\n")
        self._out.flush()

    def break_off(self) -> None:
        """End the line that has begun, so that an error stands on its own."""
        if self._current:
            self._out.write("\n")
            self._out.flush()

    def _write(self, branch: str, text: str) -> None:
        if self._both and self._current != branch:
            self._out.write(("\n" if self._current else "") + f"--- {branch} ---\n")
        self._current = branch
        self._written[branch] += text
        self._out.write(text)
        self._out.flush()


def summary(result: RunResult) -> str:
    """Return one line of measures; the baseline's in brackets."""
    parts: list[str] = []
    measures = result.measures
    if measures is not None:
        parts += [_pair(name, values) for name, values in measures.concepts.items()]
        parts.append(_pair("perplexity", measures.perplexity, 1))
        if measures.kl_mean is not None:
            parts.append(f"KL {measures.kl_mean:.2f} nats")
        parts.append(_pair("distinct-2", measures.distinct_2))
    parts.append(f"{len(result.steered.ids)} tokens, {result.tokens_per_second:.0f} tok/s")
    return "; ".join(part for part in parts if part)


def _pair(name: str, values: tuple[float | None, float | None], digits: int = 2) -> str:
    steered, baseline = values
    if steered is None:
        return ""
    beside = "" if baseline is None else f" ({baseline:.{digits}f})"
    return f"{name} {steered:.{digits}f}{beside}"
