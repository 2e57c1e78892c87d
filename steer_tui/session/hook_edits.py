"""What keys do to the list of hooks: pure functions from a list to a list, and what is wrong with a hook.

Knows nothing of models beyond the points it is handed; what only the engine can tell is not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from steer_tui.engine.hookkinds import WHEN, Kind, Parameter, checked_value, find_kind
from steer_tui.engine.hookvalues import FILE, HookSpec, PointInfo
from steer_tui.errors import UsageError

Hooks = tuple[HookSpec, ...]

WATCH = "watch"
"""The kind whose statistics come with every token."""
OUTPUT = "hook_resid_post"
"""What stands for a whole block."""
MAX_NUMBER = 1e6
_DECIMALS = 4
_BLOCK = re.compile(r"(\.|^)(\d+)(?=\.|$)")
_HEADED = frozenset(("hook_q", "hook_k", "hook_v", "hook_z", "hook_attn_scores", "hook_pattern"))
_WITH_HEADS_FIRST = frozenset(("hook_attn_scores", "hook_pattern"))


def is_watch(spec: HookSpec) -> bool:
    """Say whether a hook only shows live statistics."""
    return spec.kind == WATCH


def changes_text(spec: HookSpec) -> bool:
    """Say whether a hook that is on may change what is generated; one of an own file may."""
    if not spec.enabled:
        return False
    try:
        return spec.kind == FILE or find_kind(spec.kind).changes
    except UsageError:
        return True


def parameters_of(spec: HookSpec) -> tuple[Parameter, ...]:
    """Return what can be set of a hook: its own parameters, then the conditions; nothing for hooks of a file."""
    try:
        kind = find_kind(spec.kind)
    except UsageError:
        return ()
    return (*kind.parameters, *(WHEN if kind.changes else ()))


def value_of(spec: HookSpec, parameter: Parameter) -> Any:
    """Return a parameter's value: what was set, else its default."""
    return dict(spec.values).get(parameter.name, parameter.default)


def new_hook(point: str, kind: Kind, vector: str = "") -> HookSpec:
    """Return a hook of a kind at its defaults; `vector` is what a kind that takes one begins with."""
    takes = any(parameter.form == "vector" for parameter in kind.parameters)
    return HookSpec(point, kind.name, (("vector", vector),) if takes and vector else ())


def sound(spec: HookSpec) -> HookSpec:
    """Return a hook from a file without values that are none of its kind's; one of an own file has its name alone."""
    if spec.kind == FILE:
        names = (value for name, value in spec.values if name == "name" and isinstance(value, str))
        return replace(spec, values=tuple(("name", name) for name in names))
    known = {parameter.name: parameter for parameter in parameters_of(spec)}
    return replace(spec, values=tuple((name, value) for name, value in spec.values if _fits(known.get(name), value)))


def _fits(parameter: Parameter | None, value: Any) -> bool:
    try:
        checked = parameter is not None and checked_value(parameter, value) == value
    except UsageError:
        return False
    return checked and not (isinstance(value, int | float) and abs(value) > MAX_NUMBER)


# Lists


def toggle_watch(hooks: Hooks, point: str, rows: tuple[int, ...] | None = None) -> Hooks:
    """Watch a point in these rows, or watch it no longer."""
    kept = tuple(spec for spec in hooks if not (is_watch(spec) and spec.point == point))
    return kept if len(kept) != len(hooks) else (*hooks, HookSpec(point, WATCH, rows=rows))


def add(hooks: Hooks, *specs: HookSpec) -> Hooks:
    """Put hooks on after those that are there, and before what watches: a watch shows what goes on from its point."""
    place = 1 + max((index for index, spec in enumerate(hooks) if not is_watch(spec)), default=-1)
    return (*hooks[:place], *specs, *hooks[place:])


def switch(hooks: Hooks, index: int) -> Hooks:
    """Switch a hook on or off."""
    return put(hooks, index, replace(hooks[index], enabled=not hooks[index].enabled))


def put(hooks: Hooks, index: int, spec: HookSpec) -> Hooks:
    """Put a hook in the place of another."""
    return (*hooks[:index], spec, *hooks[index + 1 :])


def remove(hooks: Hooks, index: int) -> Hooks:
    """Take a hook out."""
    return (*hooks[:index], *hooks[index + 1 :])


def swap(hooks: Hooks, index: int, other: int) -> Hooks:
    """Let two hooks change places."""
    after = list(hooks)
    after[index], after[other] = after[other], after[index]
    return tuple(after)


# One hook


def with_value(spec: HookSpec, parameter: Parameter, value: Any) -> HookSpec:
    """Return the hook with a parameter set; one at its default is left out."""
    values = {name: old for name, old in spec.values if name != parameter.name}
    if value != parameter.default:
        values[parameter.name] = value
    order = {one.name: place for place, one in enumerate(parameters_of(spec))}
    return replace(spec, values=tuple(sorted(values.items(), key=lambda item: order.get(item[0], 99))))


def with_point(spec: HookSpec, point: str) -> HookSpec:
    """Return the hook at another point."""
    return replace(spec, point=point)


def main_number(spec: HookSpec) -> Parameter | None:
    """Return the parameter that says how much: factor, strength, value; None where there is none that acts."""
    return next((one for one in parameters_of(spec) if one.form == "number" and not is_idle(spec, one)), None)


def is_idle(spec: HookSpec, parameter: Parameter) -> bool:
    """Say whether a parameter means nothing beside the others."""
    chosen = {one.name: value_of(spec, one) for one in parameters_of(spec)}
    if parameter.name == "value":
        return chosen.get("action") in ("zero", "mean")
    if parameter.name == "length":
        return chosen.get("to") != "length"
    return parameter.name == "at" and not chosen.get("at")


def nudged(spec: HookSpec, parameter: Parameter, delta: float) -> HookSpec:
    """Return the hook with a number moved by `delta`, rounded so that steps of 0.1 never drift."""
    return at_number(spec, parameter, float(value_of(spec, parameter) or 0.0) + delta)


def at_number(spec: HookSpec, parameter: Parameter, value: float) -> HookSpec:
    """Return the hook with a number set, kept within what it may be; a count counts from 1."""
    value = round(min(max(value, -MAX_NUMBER), MAX_NUMBER), _DECIMALS) + 0.0
    return with_value(spec, parameter, max(1, round(value)) if parameter.form == "count" else value)


def at_block(point: str, delta: int, known: Collection[str]) -> str:
    """Return the same point so many blocks further; the point itself where the model has no such block."""
    for found in _BLOCK.finditer(point):
        start, end = found.span(2)
        moved = f"{point[:start]}{int(found[2]) + delta}{point[end:]}"
        if moved in known:
            return moved
    return point


def size_of_last_axis(point: PointInfo) -> int:
    """Return how many neurons a point has; 0 where that changes or is not known."""
    last = point.shape[-1] if point.shape else ""
    return last if isinstance(last, int) else 0


def head_count(point: PointInfo) -> int:
    """Return how many heads a point tells apart; 0 where it tells none."""
    name = point.name.rpartition(".")[2]
    if name not in _HEADED or len(point.shape) < 4:
        return 0
    size = point.shape[1 if name in _WITH_HEADS_FIRST else 2]
    return size if isinstance(size, int) else 0


def problem_of(spec: HookSpec, points: Mapping[str, PointInfo], vectors: Collection[str], own: Collection[str]) -> str:
    """Return what is wrong with a hook, in a few words; empty where nothing is seen.

    Args:
        spec: The hook.
        points: The model's points by name; empty while they are not known.
        vectors: Names of the vectors there are.
        own: Names of the hooks of the file that is loaded.
    """
    point = points.get(spec.point)
    if points and point is None:
        return f"this model has no {spec.point}"
    if point is not None and not point.available:
        return point.reason or "not in this model"
    if spec.kind == FILE:
        name = str(dict(spec.values).get("name", ""))
        return "" if name in own else f"{name} is not loaded: f loads its file"
    try:
        kind = find_kind(spec.kind)
    except UsageError as error:
        return error.message
    return next(filter(None, (_wrong(spec, kind, one, point, vectors) for one in parameters_of(spec))), "")


def wrong_value(spec: HookSpec, parameter: Parameter, value: Any, point: PointInfo | None) -> str:
    """Return why a hook cannot have this value; empty where nothing is seen."""
    if parameter.form == "number" and not abs(value) <= MAX_NUMBER:
        return f"{parameter.name} is no usable number"
    if parameter.form == "bound" and value is not None and value != value:
        return f"{parameter.name} is no usable number"
    if parameter.form == "indices":
        return _wrong_indices(parameter, value, point)
    if parameter.name in ("low", "high"):
        bounds = {one.name: value_of(spec, one) for one in parameters_of(spec)} | {parameter.name: value}
        if bounds["low"] is not None and bounds["high"] is not None and bounds["low"] > bounds["high"]:
            return "low lies above high"
    return ""


def _wrong(spec: HookSpec, kind: Kind, one: Parameter, point: PointInfo | None, vectors: Collection[str]) -> str:
    value = value_of(spec, one)
    if kind.needs == "heads" and point is not None and not head_count(point):
        return "no heads here: attn.hook_z, q, k, v or pattern"
    if one.form == "vector" and (not value or (vectors and value not in vectors)):
        return f"no vector {value!r}" if value else "it needs a vector"
    if one.name == "prompt" and not str(value).strip():
        return "it needs the prompt to take the activation from"
    return wrong_value(spec, one, value, point)


def _wrong_indices(parameter: Parameter, value: Collection[int], point: PointInfo | None) -> str:
    if parameter.name in ("neurons", "heads") and not value:
        return f"{parameter.name}: name at least one"
    limit = 0
    if point is not None:
        limit = {"neurons": size_of_last_axis(point), "heads": head_count(point)}.get(parameter.name, 0)
    if limit and max(value) >= limit:
        return f"{parameter.name} go from 0 to {limit - 1} here"
    return ""
