"""Numbers as the panes write them: signs always, few digits, never wider than asked."""

from __future__ import annotations

import math

from steer_tui.tui.glyphs import Glyphs

MISSING = "-"


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign, such as `+0.91`; what rounds to nothing has none, a dash stands for no number."""
    if not math.isfinite(value):
        return MISSING
    if abs(value) >= 1000:
        return f"{value:+.1e}".replace("e+0", "e").replace("e+", "e")
    text = f"{value:+.{_digits(value, digits)}f}"
    return text if any(digit in text for digit in "123456789") else text[1:]


def plain(value: float, digits: int = 2) -> str:
    """Return a number that cannot be negative, such as `11.4` or `12.3k`; a dash where there is none."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf"
    if abs(value) >= 10_000:
        return f"{value / 1000:.1f}k" if abs(value) < 1e6 else f"{value:.1e}"
    return f"{value:.{_digits(value, digits)}f}"


def _digits(value: float, digits: int) -> int:
    """Return how many decimals keep a number short."""
    if abs(value) >= 1000:
        return 0
    return min(digits, 1) if abs(value) >= 100 else digits


def percent(value: float) -> str:
    """Return a share, such as `21%`; a decimal below 1%."""
    if math.isnan(value):
        return MISSING
    return f"{value * 100:.0f}%" if value >= 0.01 or value == 0 else f"{value * 100:.1f}%"


def strength(value: float) -> str:
    """Return a strength as rows show it: `+2.0`, `-0.55`."""
    text = f"{value:+.2f}"
    return text[:-1] if text.endswith("0") else text


def size(count: int) -> str:
    """Return a number of bytes, such as `9.8 MB`."""
    amount = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def spark(values: list[float], low: float, high: float, glyphs: Glyphs) -> str:
    """Return one character per value, its height between `low` and `high`; a blank where there is no value."""
    heights = glyphs.spark
    span = (high - low) or 1.0
    made = []
    for value in values:
        if math.isnan(value):
            made.append(" ")
            continue
        level = int((value - low) / span * len(heights))
        made.append(heights[min(max(level, 0), len(heights) - 1)])
    return "".join(made)


def slider(value: float, reach: float, width: int, glyphs: Glyphs) -> str:
    """Return a rail of `width` cells with zero at its middle and a knob at `value`; `reach` is the end of the rail.

    The part between zero and the knob is drawn heavier, so that size and sign show without colour.
    """
    inner = width - 2
    middle = inner // 2
    at = middle + round(max(-1.0, min(1.0, value / reach)) * (inner - 1 - middle if value > 0 else middle))
    rail = [glyphs.rail] * inner
    for index in range(min(at, middle), max(at, middle)):
        rail[index] = glyphs.rail_filled
    rail[middle] = glyphs.rail_zero
    rail[at] = glyphs.knob
    return glyphs.bar_left + "".join(rail) + glyphs.bar_right


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """Return a bar of `width` cells, filled by `share` (0 to 1); empty where there is no number."""
    filled = 0 if math.isnan(share) else round(min(max(share, 0.0), 1.0) * width)
    return glyphs.full * filled + glyphs.empty * (width - filled)


def change_paint(value: float) -> str:
    """Return the paint of a change; muted where it is not known or shown as 0."""
    if value != value or abs(value) < 0.005:
        return "muted"
    return "positive" if value > 0 else "negative"
