"""What a person writes into the fields of a sweep, read and written: layers, strengths, seeds, numbers.

Pure functions; each raises UsageError, or RecipeError, which is one, with what is wrong and how it is written.
"""

from __future__ import annotations

import re

from steer_tui.engine.recipe import BEST, Layers, format_layers, format_number, parse_layers, parse_number
from steer_tui.engine.sweeprequest import MOST_CELLS, spread_layers, strength_range
from steer_tui.errors import UsageError

EACH = "each"
"""Stands for every layer by itself; of a deep model for some of them, spread over its middle."""

_ROWS = re.compile(r"(\d{1,4})\s*\.\.\s*(\d{1,4})")
_NUMBERS = re.compile(r"(\d{1,10})\s*(?:\.\.|-)\s*(\d{1,10})")


def read_layers(text: str, layer_count: int) -> tuple[Layers, ...]:
    """Return the rows that a text such as `each, best`, `2..5` or `3, 3-4` names; `3-4` is one row of two layers."""
    rows: list[Layers] = []
    for item in _items(text, "layers", "each, best"):
        found = _ROWS.fullmatch(item)
        if item == EACH:
            rows += [(layer,) for layer in spread_layers(layer_count)]
        elif found is not None:
            low, high = int(found[1]), int(found[2])
            if low > high:
                raise UsageError(f"layers {item} run backwards", hint=f"write {high}..{low}")
            rows += [(layer,) for layer in range(low, high + 1)]
        else:
            rows.append(parse_layers(item))
    highest = max((layer for row in rows for layer in row if isinstance(layer, int)), default=0)
    if highest >= layer_count:
        raise UsageError(f"no layer {highest}", hint=f"the model has layers 0..{layer_count - 1}")
    return tuple(dict.fromkeys(rows))


def write_layers(rows: tuple[Layers, ...], layer_count: int) -> str:
    """Return rows as `read_layers` takes them; neighbours become a range, every layer becomes `each`."""
    each = tuple((layer,) for layer in spread_layers(layer_count))
    if rows[: len(each)] == each:
        return ", ".join([EACH, *map(format_layers, rows[len(each) :])])
    items: list[str] = []
    singles: list[int] = []
    for row in (*rows, BEST):
        first = row[0]
        if len(row) == 1 and isinstance(first, int) and (not singles or first == singles[-1] + 1):
            singles.append(first)
            continue
        items += _range(singles)
        singles = [first] if len(row) == 1 and isinstance(first, int) else []
        items += [] if singles else [format_layers(row)]
    return ", ".join(items[:-1])  # without the end mark


def _range(singles: list[int]) -> list[str]:
    if len(singles) < 3:
        return list(map(str, singles))
    return [f"{singles[0]}..{singles[-1]}"]


def read_strengths(text: str) -> tuple[float, ...]:
    """Return the strengths of a text such as `0.5:2.5:0.5`, the end included, or `-1, 1, 2`; ascending."""
    found: list[float] = []
    for item in _items(text, "strengths", "0.5:2.5:0.5"):
        parts = [parse_number(part.strip()) for part in item.split(":")]
        if len(parts) == 1:
            found.append(parts[0])
            continue
        low, high = parts[0], parts[1]
        step = parts[2] if len(parts) > 2 else 0.5
        if len(parts) > 3 or step <= 0 or low > high or (high - low) / step > MOST_CELLS:
            raise UsageError(
                f"{item!r} is no range of strengths", hint="write it as LOW:HIGH:STEP, such as 0.5:2.5:0.5"
            )
        found += strength_range(low, high, step)
    return tuple(sorted(set(found)))


def write_strengths(strengths: tuple[float, ...]) -> str:
    """Return strengths as `read_strengths` takes them: a range where they are evenly spaced."""
    if len(strengths) > 2:
        step = round(strengths[1] - strengths[0], 6)
        even = tuple(round(strengths[0] + index * step, 6) for index in range(len(strengths)))
        if step > 0 and even == strengths:
            return ":".join(map(format_number, (strengths[0], strengths[-1], step)))
    return ", ".join(map(format_number, strengths))


def read_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of a text such as `0`, `0..3` or `1, 7`."""
    seeds: list[int] = []
    for item in _items(text, "seeds", "0..3"):
        found = _NUMBERS.fullmatch(item)
        if found is not None and int(found[1]) <= int(found[2]) < int(found[1]) + MOST_CELLS:
            seeds += range(int(found[1]), int(found[2]) + 1)
        elif item.isdecimal() and len(item) < 19:
            seeds.append(int(item))
        else:
            raise UsageError(f"{item!r} is no seed", hint="write seeds as 0, 0..3 or 1, 7")
    return tuple(dict.fromkeys(seeds))


def write_seeds(seeds: tuple[int, ...]) -> str:
    """Return seeds as `read_seeds` takes them."""
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}..{seeds[-1]}"
    return ", ".join(map(str, seeds))


def read_count(text: str, what: str, most: int = 1_000_000) -> int:
    """Return a whole number from 1 to `most`."""
    text = text.strip()
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
        raise UsageError(f"{text!r} is no number of {what}", hint=f"a whole number from 1 to {most}")
    return int(text)


def read_number(text: str, what: str, low: float, high: float) -> float:
    """Return a number from `low` to `high`."""
    value = parse_number(text.strip().removesuffix("nats").removesuffix("nat").strip())
    if not low <= value <= high:
        raise UsageError(f"{what} must lie between {low:g} and {high:g}")
    return value


def _items(text: str, what: str, example: str) -> list[str]:
    items = [item for item in re.split(r"\s*,\s*", text.strip()) if item]
    if not items:
        raise UsageError(f"no {what}", hint=f"such as {example}")
    return items
