"""Hooks in a few words, as rows, marks in a text and notes say them. Knows nothing of panes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from steer_tui.engine.hookkinds import Parameter, format_value
from steer_tui.engine.hookvalues import FILE, HookReport, HookSpec
from steer_tui.session.hook_edits import changes_text, is_idle, is_watch, parameters_of, value_of
from steer_tui.tui.numbers import percent, plain, signed
from steer_tui.tui.point_rows import short_name
from steer_tui.tui.safe import label


def kind_name(spec: HookSpec) -> str:
    """Return what a hook is called: its kind, or its name in the user's file."""
    return label(str(dict(spec.values).get("name", "?"))) if spec.kind == FILE else label(spec.kind)


def values_text(spec: HookSpec) -> str:
    """Return what is set, as short as it can be said: `1.5`, `zero 0,3`, `happy 1`; conditions after a `?`."""
    if spec.kind == FILE:
        return ""
    own: list[str] = []
    when: list[str] = []
    for parameter in parameters_of(spec):
        value = value_of(spec, parameter)
        text = label(format_value(value)) if value not in (None, ()) else "none"
        if parameter.name in ("positions", "token_ids", "above", "every"):
            if value != parameter.default:
                when.append(_condition(parameter, text))
        elif not is_idle(spec, parameter):
            own.append(text)
    if spec.kind == "clamp":
        own = [" to ".join(own)]
    return " ".join([*own, *when])


def _condition(parameter: Parameter, text: str) -> str:
    return {
        "positions": f"at {text}",
        "token_ids": f"on tokens {text}",
        "above": f"above {text}",
        "every": f"every {text}th",
    }[parameter.name]


def hook_text(spec: HookSpec) -> str:
    """Return a hook as one word or three: `3.resid_post scale 1.5`."""
    return " ".join(part for part in (short_name(label(spec.point)), kind_name(spec), values_text(spec)) if part)


def count_text(specs: Sequence[HookSpec]) -> str:
    """Return how many hooks may change the text, such as `2 hooks`; empty where none does."""
    count = sum(map(changes_text, specs))
    return f"{count} hook{'s' if count > 1 else ''}" if count else ""


def describe_hooks(before: Sequence[HookSpec], after: Sequence[HookSpec]) -> str:
    """Return what a live change of hooks changed; empty where only what is watched did."""
    was = [spec for spec in before if spec.enabled and not is_watch(spec)]
    now = [spec for spec in after if spec.enabled and not is_watch(spec)]
    gone, came = Counter(was) - Counter(now), Counter(now) - Counter(was)
    moved = {(spec.point, spec.kind) for spec in gone} & {(spec.point, spec.kind) for spec in came}
    words = [("" if (spec.point, spec.kind) in moved else "+") + hook_text(spec) for spec in came]
    words += [
        f"-{short_name(label(spec.point))} {kind_name(spec)}" for spec in gone if (spec.point, spec.kind) not in moved
    ]
    if not words and was != now:
        return "other order"
    return ", ".join(words)


def report_text(report: HookReport) -> str:
    """Return what a hook did in a run: how many tokens it changed and by how much, or what it saw."""
    if report.changed_tokens:
        mean, most = percent(report.mean_change), percent(report.max_change)
        return f"changed {report.changed_tokens} of {report.tokens} tokens, by {mean}, at most {most}"
    if report.seen:
        return ", ".join(f"{label(name)} {_seen(value)}" for name, value in report.seen)
    if report.passes:
        return f"changed nothing in {report.tokens} tokens"
    return "was not called"


def short_report(report: HookReport) -> str:
    """Return how many tokens a hook changed and by how much, in few words; empty where it changed none."""
    if not report.changed_tokens:
        return ""
    return f"{report.changed_tokens}/{report.tokens} tokens by {percent(report.mean_change)}"


def _seen(value: Any) -> str:
    if isinstance(value, float):
        return signed(value)
    if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        return "x".join(map(str, value))
    if isinstance(value, tuple):
        best = value[0] if value else ()
        return f"{plain(best[0])} {label(str(best[2]))!r}" if isinstance(best, tuple) and len(best) == 3 else "-"
    return label(str(value))
