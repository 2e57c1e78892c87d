"""`sweep PROMPT... --concept NAME`: the layer x strength grid as a table, one JSON object, or a folder that is kept."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from steer_tui.commands.console import Progress, note, print_json, read_prompt
from steer_tui.commands.interrupt import stoppable
from steer_tui.commands.open_model import open_model, settings
from steer_tui.commands.sweep_arguments import parse_seeds, parse_strengths
from steer_tui.commands.sweep_folder import REPORT, SweepFolder
from steer_tui.commands.sweep_table import print_result
from steer_tui.engine.recipe import BEST, Layers, parse_layers
from steer_tui.engine.scope import parse_scope
from steer_tui.engine.sweeprequest import STRENGTHS, TOKENS, WEIGHTS, SweepRequest
from steer_tui.engine.sweeptypes import Cell, SweepProgress
from steer_tui.engine.types import ModelInfo, Sampling
from steer_tui.errors import UsageError
from steer_tui.options import Options
from steer_tui.paths import Paths, find_paths

if TYPE_CHECKING:
    from steer_tui.engine.model import LanguageModel

INTERRUPTED = 130


def run(options: Options, args: argparse.Namespace) -> int:
    """Sweep, and print the grid or the JSON object on stdout."""
    paths = find_paths(options.data_dir)
    folder = SweepFolder(args.resume or args.out) if args.resume or args.out else None
    if args.resume is not None and not (args.prompts and folder is not None and folder.is_new):
        request, model = _kept(SweepFolder(args.resume), args)
        options = replace(options, model=options.model or model)
    if args.resume is None or args.prompts:
        request = _request(args, paths)
    lm = open_model(options)
    request = _written_out(request, args, lm.info)
    return _sweep(lm, request, args, folder, paths)


def _kept(folder: SweepFolder, args: argparse.Namespace) -> tuple[SweepRequest, str]:
    if args.out is not None and args.out != args.resume:
        raise UsageError("--out and --resume name two folders", hint="--resume DIR keeps on writing to DIR")
    if not args.prompts and (args.concept or args.layers or args.rows or args.strengths):
        raise UsageError(
            "the sweep in the folder says what is swept", hint="give --resume alone, or the whole command again"
        )
    return folder.asked()


def _sweep(
    lm: LanguageModel, request: SweepRequest, args: argparse.Namespace, folder: SweepFolder | None, paths: Paths
) -> int:
    from steer_tui.commands.ready_vectors import ready_vectors
    from steer_tui.engine.generate import Controls
    from steer_tui.engine.sweep import sweep
    from steer_tui.engine.sweepcells import checked
    from steer_tui.library.concepts import load_concepts

    vectors = ready_vectors(lm, request.concepts, paths)
    examples = {concept.name: concept for concept in load_concepts(paths)[0] if concept.name in request.concepts}
    checked(lm, request, vectors)
    controls, done = Controls(), {}
    with ExitStack() as stack:
        on_cell: Callable[[Cell], None] | None = None
        if folder is not None:
            if args.resume is not None and not folder.is_new:
                done = folder.go_on(request, lm.info, vectors)
                note(f"{len(done)} cells are there already" if done else "no cell is there yet")
            else:
                folder.begin(request, lm.info, vectors)
            on_cell = stack.enter_context(folder).keep
        stack.enter_context(stoppable(controls))
        bar = stack.enter_context(Progress(f"sweeping {'+'.join(request.concepts)}"))
        result = sweep(
            lm, request, vectors, examples=examples, on_cell=on_cell, on_progress=_shown(bar), controls=controls,
            done=done,
        )  # fmt: skip
    if folder is not None:
        folder.finish(result)
        note(f"kept in {folder.path}: {REPORT} has tables and texts")
        if not result.complete:
            note(f"--resume {folder.path} goes on with it")
    if args.json:
        print_json(result.to_json())
    else:
        print_result(result)
    return INTERRUPTED if controls.stopped else 0


def _shown(bar: Progress) -> Callable[[SweepProgress], None]:
    told: set[str] = set()

    def show(progress: SweepProgress) -> None:
        if progress.note and progress.note not in told:
            told.add(progress.note)
            note(progress.note)
        left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
        bar.show(progress.fraction, f"{progress.done} of {progress.total} cells{left}")

    return show


def _request(args: argparse.Namespace, paths: Paths) -> SweepRequest:
    if not args.prompts:
        raise UsageError("sweep needs a prompt", hint='such as: sweep "The meeting went" --concept happy')
    if not args.concept:
        raise UsageError("sweep needs a concept", hint='such as: sweep "The meeting went" --concept happy')
    config = settings(paths)
    usual = Sampling(config.temperature, config.top_p, config.top_k, 0, TOKENS)
    names = ("temperature", "top_p", "top_k", "max_tokens")
    asked = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    columns = parse_strengths(args.strengths) if args.strengths else WEIGHTS if args.mix else STRENGTHS
    request = SweepRequest(
        prompts=tuple(map(read_prompt, args.prompts)),
        concepts=tuple(dict.fromkeys(args.concept)),
        layers=_rows(args),
        strengths=columns,
        op=args.op,
        scope=parse_scope(args.scope),
        sampling=replace(usual, **asked),
        seeds=parse_seeds(args.seeds, args.seed),
        raw=args.raw,
        kl_budget=float(args.kl),
        controls=not args.no_controls,
        randoms=int(args.randoms),
        measures=not args.no_measures,
        mix=args.mix,
        auto=args.auto,
        refine=args.refine,
    )
    request.check()
    return request


def _rows(args: argparse.Namespace) -> tuple[Layers, ...]:
    """Return the rows that are named; `all` waits for the model."""
    found: list[Layers] = []
    for layer in parse_layers(args.layers) if args.layers else ():
        if layer != "all":
            found.append(BEST if layer == "best" else (layer,))
    found += [parse_layers(span) for span in args.rows.split(",")] if args.rows else []
    return tuple(dict.fromkeys(found))


def _written_out(request: SweepRequest, args: argparse.Namespace, info: ModelInfo) -> SweepRequest:
    """Return the request with `--layers all` as a row for every block of the model."""
    if not args.prompts or not args.layers or "all" not in parse_layers(args.layers):
        return request
    every: list[Layers] = [(layer,) for layer in range(info.layers)]
    return replace(request, layers=tuple(dict.fromkeys([*every, *request.layers])))
