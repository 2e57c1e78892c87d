"""The columns of the list of vectors: which fit a width, and what each says of a vector."""

from __future__ import annotations

from functools import lru_cache

from steer_tui.library.catalogue import Listed
from steer_tui.tui.glyphs import Glyphs
from steer_tui.tui.numbers import MISSING, plain, size
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.vector_lines import layers_text
from steer_tui.tui.widgets.pane import Part

Columns = tuple[tuple[str, int], ...]
SIGNS = 4
"""Cells of cursor, mark, sign and a blank."""
_WIDTHS = {"name": 14, "group": 10, "layers": 7, "sep": 7, "method": 8, "source": 10, "date": 11, "size": 9}
"""Least cells of each, the blank before it included, the most telling first."""
_ORDER = ("name", "group", "method", "layers", "sep", "size", "date", "source")
_GROW = {"group": 14, "name": 26, "method": 12, "source": 22}
"""Columns that take what is left, and how far they may grow."""
_RIGHT = ("layers", "sep", "size")


@lru_cache(64)
def columns(width: int) -> Columns:
    """Return the columns that fit, in the order in which they are shown, with their widths."""
    room = width - SIGNS
    kept: dict[str, int] = {}
    for name, cells in _WIDTHS.items():
        if cells > room and kept:
            break
        kept[name] = cells
        room -= cells
    for name, most in _GROW.items():
        if name in kept and room > 0:
            more = min(most - kept[name], room)
            kept[name] += more
            room -= more
    kept["name"] += max(0, room)
    return tuple((name, kept[name]) for name in _ORDER if name in kept)


def head_parts(shown: Columns) -> list[Part]:
    """Return the heads."""
    heads = (_cell(name, "best" if name == "layers" else name, cells, "") for name, cells in shown)
    return [(" " * SIGNS + "".join(heads), "muted")]


def row_parts(
    listed: Listed, shown: Columns, glyphs: Glyphs, *, is_cursor: bool, is_marked: bool, is_used: bool
) -> list[Part]:
    """Return a vector's row."""
    entry = listed.entry
    is_grey = not listed.is_usable
    sign, sign_paint = (glyphs.broken, "error") if entry.meta is None else (glyphs.missing, "faint")
    if not is_grey:
        sign, sign_paint = (glyphs.on, "on") if is_used else (glyphs.off, "muted")
    parts: list[Part] = [
        (glyphs.cursor if is_cursor else " ", "accent"),
        ("*" if is_marked else " ", "accent"),
        (f"{sign} ", sign_paint),
    ]
    values = _values(listed)
    reason = listed.problem if is_grey else listed.note if listed.note and not listed.note.startswith("wins") else None
    if reason:
        room = sum(cells for _, cells in shown[1:])
        paint = "error" if entry.meta is None else "faint"
        return [*parts, (_cell("name", values["name"], shown[0][1], glyphs.ellipsis), "faint"),
                (fit(label(reason), room, glyphs.ellipsis), paint)]  # fmt: skip
    for name, cells in shown:
        paint = ("on" if is_used else "") if name == "name" else "number" if name in _RIGHT else "muted"
        parts.append((_cell(name, values[name], cells, glyphs.ellipsis), paint))
    return parts


def _cell(name: str, text: str, cells: int, ellipsis: str) -> str:
    if name in _RIGHT:
        return fit_right(text, cells - 2, ellipsis) + "  "
    return fit(text, cells - 1, ellipsis) + " "


def _values(listed: Listed) -> dict[str, str]:
    entry, meta = listed.entry, listed.entry.meta
    values = dict.fromkeys(_ORDER, MISSING) | {"name": label(entry.name), "size": size(entry.size_bytes)}
    if meta is None:
        return values
    separations = [meta.diagnostics.get(layer, {}).get("separation") for layer in meta.best_layers]
    known = [value for value in separations if value is not None]
    return values | {
        "group": label(meta.group) or MISSING,
        "method": label(meta.method) or MISSING,
        "layers": layers_text(meta.best_layers) or MISSING,
        "sep": plain(max(known), 1) if known else MISSING,
        "date": meta.created[:10] or MISSING,
        "source": source_text(listed),
    }


def source_text(listed: Listed) -> str:
    """Return where a vector comes from, in a word or two."""
    entry, meta = listed.entry, listed.entry.meta
    if entry.bundled:
        return "built in"
    if meta is None:
        return MISSING
    if not listed.is_for_model:
        return label(meta.model["id"])
    if meta.source:
        return label(meta.source.get("producer", "")) or "imported"
    if meta.parents:
        return label(" ".join(meta.parents))
    return "your own"
