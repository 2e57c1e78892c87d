"""The signs the screen draws with: one set for terminals of today, one of plain ASCII.

Every glyph is one cell wide in both sets, so that a layout never depends on which is in use.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What the panes draw with; each name says what it stands for."""

    on: str = "●"
    off: str = "○"
    missing: str = "◌"
    """A concept that has no vector for this model yet."""
    broken: str = "✗"
    cursor: str = "▸"
    steered: str = "▸"
    """Marks a layer that steering touches."""
    mark_open: str = "‹"
    mark_close: str = "›"
    bar_left: str = "▕"
    bar_right: str = "▏"
    rail: str = "─"
    rail_filled: str = "━"
    rail_zero: str = "┼"
    knob: str = "●"
    dot: str = "·"
    ellipsis: str = "…"
    delta: str = "Δ"
    return_key: str = "↵"
    full: str = "█"
    empty: str = "░"
    spark: str = "▁▂▃▄▅▆▇"
    """Heights, lowest first; the full block is left out, so that rows stay apart."""
    heat: str = "▁▂▃▄▅▆▇"
    """Levels of a cell of a heat map, before its number: none can be taken for a sign or a digit."""
    minus: str = "−"
    thumb: str = "▐"
    hooked: str = "◆"
    """Marks a point that has a hook."""
    folded: str = "+"
    unfolded: str = "−"
    best: str = "★"
    noise: str = "~"
    """Marks what cannot be told from a random direction."""
    budget: str = "┊"
    """A limit drawn through a plot."""
    up: str = "↑"
    down: str = "↓"


UNICODE = Glyphs()
ASCII = Glyphs(
    on="*",
    off="o",
    missing=".",
    broken="x",
    cursor=">",
    steered=">",
    mark_open="<",
    mark_close=">",
    bar_left="[",
    bar_right="]",
    rail="-",
    rail_filled="=",
    rail_zero="|",
    knob="O",
    dot="-",
    ellipsis="~",
    delta="d",
    return_key="<",
    full="#",
    empty=".",
    spark="_.-=+*#",
    heat=" .:oO%#",
    minus="-",
    thumb="#",
    hooked="@",
    folded="+",
    unfolded="-",
    best="*",
    noise="~",
    budget="|",
    up="^",
    down="v",
)


def glyphs(ascii_only: bool) -> Glyphs:
    """Return the set to draw with."""
    return ASCII if ascii_only else UNICODE
