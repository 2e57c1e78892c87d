"""The workbench's state as `session.json`: written whole or not at all, read whatever it holds.

Promises that a broken file is kept aside and costs the session only, and that an entry of a wrong type costs that entry
only. Undo is not kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steer_tui.engine.hookvalues import FILE, HookSpec
from steer_tui.engine.recipe import Recipe, Term, parse_recipe
from steer_tui.engine.types import Sampling
from steer_tui.errors import RecipeError
from steer_tui.files import write_atomic
from steer_tui.session.hook_edits import sound
from steer_tui.session.state import MAX_PARKED, Layout, Workbench
from steer_tui.text import clean, one_line

VERSION = 1
MAX_FILE = 8 << 20
MAX_SEED = 2**63 - 1
BROKEN_SUFFIX = ".broken"
MAX_HOOKS = 256


@dataclass(frozen=True, slots=True)
class Session:
    """What was found at the start."""

    bench: Workbench
    is_first: bool
    """Whether there was nothing to go on with."""
    problem: str | None = None
    """What was wrong with the file, None where nothing was."""


def load_session(path: Path) -> Session:
    """Return the session that was left; never raises: what is wrong is in `problem`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return Session(Workbench(), is_first=True)
    except OSError as error:
        return Session(Workbench(), is_first=True, problem=f"the last session cannot be read: {error.strerror}")
    try:
        if len(data) > MAX_FILE:
            raise ValueError(f"larger than {MAX_FILE >> 20} MiB")
        value = json.loads(data)
        if not isinstance(value, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        kept = _keep_aside(path)
        problem = f"the last session is broken ({one_line(str(error))[:80]}){kept}"
        return Session(Workbench(), is_first=True, problem=problem)
    return Session(from_json(value), is_first=False)


def _keep_aside(path: Path) -> str:
    """Rename a broken file, so that saving does not write over it; return words that say where it went."""
    aside = path.with_name(path.name + BROKEN_SUFFIX)
    try:
        os.replace(path, aside)
    except OSError:
        return ""
    return f"; it is kept as {one_line(str(aside))}"


def save_session(path: Path, bench: Workbench) -> None:
    """Write the session.

    Raises:
        LibraryError: It cannot be written; the old file is as it was.
    """
    write_atomic(path, json.dumps(to_json(bench), indent=1).encode())


def to_json(bench: Workbench) -> dict[str, object]:
    """Return what is kept of a workbench."""
    layout = bench.layout
    return {
        "version": VERSION,
        "model": bench.model_ref or None,
        "prompt": bench.prompt,
        "recipe": bench.recipe_text,
        "selected": bench.selected,
        "parked": str(Recipe(bench.parked)),
        "hooks": [spec.to_json() for spec in bench.hooks],
        "hook_file": bench.hook_file,
        "sampling": bench.sampling.to_json(),
        "baseline": bench.baseline,
        "raw": bench.raw,
        "theme": bench.theme,
        "layout": {"screen": layout.screen, "recent": list(layout.recent), "zoomed": layout.zoomed},
    }


def from_json(value: object) -> Workbench:
    """Return the workbench that a JSON object describes; what it lacks or spoils has its default."""
    entries = value if isinstance(value, dict) else {}
    plain = Workbench()
    bench = replace(
        plain,
        prompt=clean(_text(entries, "prompt", plain.prompt)),
        terms=_terms(entries, "recipe"),
        parked=_terms(entries, "parked")[-MAX_PARKED:],
        hooks=_hooks(entries.get("hooks")),
        hook_file=clean(_text(entries, "hook_file", "")) or None,
        sampling=_sampling(entries.get("sampling")),
        baseline=_flag(entries, "baseline", plain.baseline),
        raw=_flag(entries, "raw", plain.raw),
        model_ref=one_line(_text(entries, "model", "")),
        theme=one_line(_text(entries, "theme", "")) or None,
        layout=_layout(entries.get("layout")),
    )
    return bench.select(_whole(entries, "selected", 0, 0, 10**6))


def _terms(entries: Mapping[str, object], key: str) -> tuple[Term, ...]:
    try:
        return parse_recipe(_text(entries, key, "")).terms
    except RecipeError:
        return ()


def _hooks(value: object) -> tuple[HookSpec, ...]:
    """Return the hooks that can be read; those of an own file are off until a person names the file again."""
    found = (_hook(entry) for entry in (value if isinstance(value, list) else [])[:MAX_HOOKS])
    return tuple(spec if spec.kind != FILE else replace(spec, enabled=False) for spec in found if spec is not None)


def _hook(value: object) -> HookSpec | None:
    try:
        spec = HookSpec.from_json(value)  # type: ignore[arg-type]
        hash(spec)  # a value of another form would be met much later
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return sound(replace(spec, point=one_line(spec.point), kind=one_line(spec.kind)))


def _sampling(value: object) -> Sampling:
    entries = value if isinstance(value, dict) else {}
    plain = Sampling()
    top_p = _number(entries, "top_p", plain.top_p, 0, 1)
    return Sampling(
        temperature=_number(entries, "temperature", plain.temperature, 0, 100),
        top_p=top_p if top_p > 0 else plain.top_p,
        top_k=_whole(entries, "top_k", plain.top_k, 0, 10**6),
        seed=_whole(entries, "seed", plain.seed, 0, MAX_SEED),
        max_tokens=_whole(entries, "max_tokens", plain.max_tokens, 1, 10**6),
    )


def _layout(value: object) -> Layout:
    entries = value if isinstance(value, dict) else {}
    recent = entries.get("recent")
    names = [one_line(name) for name in recent if isinstance(name, str)] if isinstance(recent, list) else []
    return Layout(
        screen=one_line(_text(entries, "screen", "")) or Layout().screen,
        recent=tuple(dict.fromkeys(names[:16])),
        zoomed=one_line(_text(entries, "zoomed", "")) or None,
    )


def _text(entries: Mapping[str, object], key: str, default: str) -> str:
    value = entries.get(key)
    return value if isinstance(value, str) else default


def _flag(entries: Mapping[str, object], key: str, default: bool) -> bool:
    value = entries.get(key)
    return value if isinstance(value, bool) else default


def _number(entries: Mapping[str, object], key: str, default: float, low: float, high: float) -> float:
    value = entries.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return float(value) if low <= value <= high else default


def _whole(entries: Mapping[str, object], key: str, default: int, low: int, high: int) -> int:
    value = entries.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        return default
    return value if low <= value <= high else default
