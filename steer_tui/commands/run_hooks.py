"""The hooks of `generate`: read from `--hook` lines and from a file, and told of after the run."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from steer_tui.engine.hookkinds import KINDS
from steer_tui.engine.hookline import parse_hook
from steer_tui.engine.hookvalues import FILE, HookReport, HookSpec
from steer_tui.engine.types import Request, RunResult
from steer_tui.errors import UsageError
from steer_tui.text import one_line

if TYPE_CHECKING:
    from steer_tui.engine.model import LanguageModel
    from steer_tui.engine.user_hooks import HookFile


def hook_lines(args: argparse.Namespace) -> tuple[HookSpec, ...]:
    """Return the hooks of the `--hook` lines.

    Raises:
        UsageError: A line is wrong; it is named.
    """
    return tuple(parse_hook(line, has_file=args.hooks is not None) for line in args.hook)


def load_file(args: argparse.Namespace) -> HookFile | None:
    """Run the file of `--hooks`; None where there is none.

    Raises:
        UsageError: It cannot be read or fails; the line is named.
    """
    if args.hooks is None:
        return None
    from steer_tui.engine.user_hooks import load_hooks

    return load_hooks(args.hooks)


def with_hooks(request: Request, lm: LanguageModel, lines: tuple[HookSpec, ...], file: HookFile | None) -> Request:
    """Return the request with the hooks that the file puts somewhere, then those of the lines.

    Raises:
        UsageError: A point is wrong, or the file says of no hook where it belongs and no line does.
    """
    if file is None:
        return replace(request, hooks=lines)
    from steer_tui.engine.catalogue import placed_specs

    placed = placed_specs(lm, file)
    if not placed and not any(spec.kind == FILE for spec in lines):
        names, first = ", ".join(file), next(iter(file))
        first = f"{FILE},name={first}" if first in {kind.name for kind in KINDS} else first
        raise UsageError(
            f"{file.path.name} puts no hook anywhere: it defines {one_line(names)}",
            hint=f"write HOOKS = [(point, {next(iter(file))})] in it, or --hook POINT={first}",
        )
    return replace(request, hooks=(*placed, *lines), hook_file=str(file.path))


def hook_summary(result: RunResult) -> list[str]:
    """Return one line for each hook, and one for the next-token logits where there is a baseline."""
    lines = [_line(report) for report in result.hooks]
    difference = result.logit_difference
    if result.hooks and difference is not None:
        risen = ", ".join(repr(shift.text) for shift in difference.risen[:3])
        lines.append(
            f"first token's logits moved by {difference.mean:.2f} on average, {difference.max:.2f} at most; up: {risen}"
        )
    return lines


def _line(report: HookReport) -> str:
    seen = dict(report.seen)
    if {"mean", "std"} <= set(seen):
        return f"hook {report.spec.title}: {report.tokens} tokens, mean {seen['mean']:.3g}, std {seen['std']:.3g}"
    if report.changed_tokens:
        by = f", by {report.mean_change:.2f} of their length on average"
        return f"hook {report.spec.title}: changed {report.changed_tokens} of {report.tokens} tokens{by}"
    counts = f"hook {report.spec.title}: {report.passes} passes, {report.tokens} tokens"
    if report.spec.kind == "top-texts":
        best = ((neuron, texts[0]) for neuron, texts in report.seen if texts)
        return ", ".join([counts, *(f"neuron {neuron} {score:.3g} at {token!r}" for neuron, (score, _, token) in best)])
    is_detector = any(kind.name == report.spec.kind and not kind.changes for kind in KINDS)
    return counts if is_detector else f"{counts}, nothing changed"
