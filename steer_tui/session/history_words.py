"""Runs and sweeps of the journal in words: for reading, for comparing two, for files. Pure functions."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from steer_tui.engine.recipe import format_number
from steer_tui.engine.types import Request
from steer_tui.session.records import RunEntry, RunRecord, request_to_json
from steer_tui.session.sweep_records import SweepEntry, SweepRecord
from steer_tui.text import clean, one_line

MISSING = "-"


def moment(created: str, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """Return when something was made, in the time of this place."""
    try:
        return datetime.datetime.fromisoformat(created).astimezone().strftime(pattern)
    except ValueError:
        return one_line(created)[:16]


def settings(request: Request) -> str:
    """Return how tokens were drawn, such as `temperature 0.7, 64 tokens, seed 0`."""
    sampling = request.sampling
    words = ["greedy" if sampling.temperature == 0 else f"temperature {format_number(sampling.temperature)}"]
    words += [f"top-p {format_number(sampling.top_p)}"] if sampling.top_p < 1 else []
    words += [f"top-k {sampling.top_k}"] if sampling.top_k else []
    words += [f"{sampling.max_tokens} tokens", f"seed {sampling.seed}"]
    return ", ".join([*words, *(["raw"] if request.raw else [])])


def ending(entry: RunEntry | SweepEntry) -> str:
    """Return how a run or a sweep ended, in words."""
    if isinstance(entry, SweepEntry):
        return {None: "cut off", "complete": "complete", "stopped": "stopped", "failed": "failed"}[entry.ending]
    words = {None: "cut off", "stop": "ended", "length": "limit", "cancelled": "stopped", "failed": "failed"}
    return words[entry.finish]


def facts(record: RunRecord) -> list[tuple[str, str]]:
    """Return what there is to know of a run beside its texts, as name and words."""
    request, entry = record.request, record.entry
    known = [
        ("when", moment(entry.created, "%Y-%m-%d %H:%M:%S")),
        ("model", f"{entry.model}, {record.model.get('device', '')} {record.model.get('dtype', '')}"),
        ("recipe", request.recipe or "empty: no steering"),
    ]
    known += [("hook", title) for title in entry.hooks]
    known += [("from token", f"{change.step}: {change.recipe or 'no steering'}") for change in request.changes]
    known += [("sampling", settings(request)), ("ending", record.message or ending(entry))]
    known += [("note", entry.note)] if entry.note else []
    return known + [(name, _pair(left, right)) for name, (left, right) in measures(record).items()]


def measures(record: RunRecord) -> dict[str, tuple[float | None, float | None]]:
    """Return what a run measured, steered and baseline, by name; empty for one that did not end."""
    found: dict[str, tuple[float | None, float | None]] = {}
    kept = (record.result or {}).get("measures")
    if isinstance(kept, dict):
        for name, pair in (kept.get("concepts") or {}).items():
            found[one_line(str(name))] = _both(pair)
        found["perplexity"] = _both(kept.get("perplexity") or {})
        found["KL, nats"] = (_number(kept.get("kl_mean")), None)
        found["distinct-2"] = _both(kept.get("distinct_2") or {})
    return {name: pair for name, pair in found.items() if pair != (None, None)}


def _both(pair: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return _number(pair.get("steered")), _number(pair.get("baseline"))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _pair(left: float | None, right: float | None) -> str:
    return short(left) if right is None else f"{short(left)} / baseline {short(right)}"


def short(value: float | None) -> str:
    """Return a number of few digits, a dash where there is none."""
    if value is None:
        return MISSING
    return f"{round(value, 2) + 0.0:.2f}" if abs(value) < 100 else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a comparison."""

    name: str
    left: str
    right: str
    delta: str = ""
    """By how much the right one is more; empty where that cannot be said."""


def differences(left: RunRecord, right: RunRecord) -> tuple[Difference, ...]:
    """Return what differs between two runs: settings that are not the same, then all measures."""
    pairs = [
        Difference(name, a, b) for (name, a), (_, b) in zip(_settings(left), _settings(right), strict=True) if a != b
    ]
    first, second = measures(left), measures(right)
    for name in dict.fromkeys((*first, *second)):
        a, b = first.get(name, (None, None))[0], second.get(name, (None, None))[0]
        delta = f"{round(b - a, 2) + 0.0:+.2f}" if a is not None and b is not None else ""
        pairs.append(Difference(name, short(a), short(b), delta))
    return tuple(pairs)


def _settings(record: RunRecord) -> list[tuple[str, str]]:
    request = record.request
    changes = "; ".join(f"{change.step}: {change.recipe}" for change in request.changes)
    return [
        ("model", record.entry.model),
        ("weights", one_line(str(record.model.get("fingerprint", MISSING)))[:12]),
        ("prompt", one_line(request.prompt)),
        ("recipe", request.recipe or MISSING),
        ("hooks", ", ".join(record.entry.hooks) or MISSING),
        ("live changes", changes or MISSING),
        ("sampling", settings(request).replace(f", seed {request.sampling.seed}", "")),
        ("seed", str(request.sampling.seed)),
    ]


# Files


def to_jsonl(records: Iterable[RunRecord | SweepRecord]) -> Iterator[str]:
    """Yield one line of JSON per run or sweep, all that is kept of it."""
    for record in records:
        value = _run_json(record) if isinstance(record, RunRecord) else _sweep_json(record)
        yield json.dumps(value, ensure_ascii=False) + "\n"


def _run_json(record: RunRecord) -> dict[str, object]:
    entry = record.entry
    return {
        "kind": "run",
        "created": entry.created,
        "starred": entry.starred,
        "note": entry.note,
        "model": record.model,
        "request": request_to_json(record.request),
        "finish": entry.finish,
        "message": record.message,
        "steered": record.steered,
        "baseline": record.baseline,
        "result": record.result,
    }


def _sweep_json(record: SweepRecord) -> dict[str, object]:
    entry = record.entry
    head = {"kind": "sweep", "created": entry.created, "starred": entry.starred, "note": entry.note}
    return {**head, "ending": entry.ending, "message": record.message, **record.result.to_json()}


def to_markdown(records: Iterable[RunRecord | SweepRecord]) -> Iterator[str]:
    """Yield a chapter per run or sweep."""
    for record in records:
        yield from _run_chapter(record) if isinstance(record, RunRecord) else _sweep_chapter(record)


def _run_chapter(record: RunRecord) -> Iterator[str]:
    yield f"## {moment(record.entry.created)} {_code(record.request.recipe or 'no steering')}\n\n"
    yield from (f"- {name}: {_code(words)}\n" for name, words in facts(record)[1:])
    yield f"\n### Prompt\n\n{_quote(record.request.prompt)}\n\n### Steered\n\n{_quote(record.steered)}\n\n"
    if record.baseline is not None:
        yield f"### Baseline\n\n{_quote(record.baseline)}\n\n"


def _sweep_chapter(record: SweepRecord) -> Iterator[str]:
    from steer_tui.engine.sweepexport import to_markdown as sweep_to_markdown

    yield f"## {moment(record.entry.created)} sweep of {_code(record.entry.concept)}\n\n"
    if record.entry.note:
        yield f"- note: {_code(record.entry.note)}\n\n"
    yield "\n".join(
        f"##{line}" if line.startswith("#") else line for line in sweep_to_markdown(record.result).split("\n")
    )
    yield "\n\n"


def _code(text: str) -> str:
    """Return a text as Markdown shows it letter by letter."""
    plain = one_line(text)
    fence = "`" * (max((len(run) for run in _ticks(plain)), default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}" if plain else ""


def _ticks(text: str) -> list[str]:
    runs, run = [], ""
    for character in text:
        run = run + character if character == "`" else ""
        runs += [run] if run else []
    return runs


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in clean(text).strip().split("\n"))
