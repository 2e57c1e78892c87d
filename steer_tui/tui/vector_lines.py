"""Everything there is to say of one vector, as lines: what it is, whether it will work and where, where it comes from.

Promises that nothing from a file is drawn as anything but text. Knows nothing of panes.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from steer_tui.engine.advice import advice
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.library.catalogue import Listed
from steer_tui.tui.glyphs import Glyphs
from steer_tui.tui.numbers import MISSING, percent, plain, signed, size
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.pane import Part
from steer_tui.tui.widgets.words import wrapped

Row = list[Part]
FIGURES = (("split_half", "half"), ("auroc", "auroc"), ("consistency", "agree"), ("relative_norm", "norm"))
"""Entries of the diagnostics with their column heads, the most telling first: narrow panes drop the last ones."""
_LAYER, _NUMBER, _FIGURE = 6, 6, 6
"""Cells of columns."""
MOST_LAYERS = 400


def vector_lines(listed: Listed, width: int, glyphs: Glyphs) -> list[Row]:
    """Return the lines about a vector, each at most `width` cells."""
    rows: list[Row] = []
    for part in (_head(listed, width, glyphs), _states(listed, width)):
        rows += part
    meta = listed.entry.meta
    if meta is not None:
        rows += wrapped_rows(advice(meta), "", width) if meta.diagnostics else []
        rows += [*layer_rows(meta, width, glyphs), [], *_odd_rows(meta, width), *_told(meta, width)]
        rows += _origin_rows(listed, meta, width)
    rows += _field("path", str(listed.entry.path), width)
    return rows


def _head(listed: Listed, width: int, glyphs: Glyphs) -> list[Row]:
    entry, meta = listed.entry, listed.entry.meta
    facts = [meta.group, meta.method] if meta is not None else []
    facts += ["built in, stays as it is"] if entry.bundled else []
    about = label(f" {glyphs.dot} ".join(fact for fact in facts if fact))
    name = label(entry.name)
    room = width - cell_len(about) - 2
    if cell_len(name) > room:
        return [[(fit(name, width, glyphs.ellipsis), "strong")], [(fit(about, width, glyphs.ellipsis), "muted")]]
    return [[(name, "strong"), (f"  {about}", "muted")]]


def _states(listed: Listed, width: int) -> list[Row]:
    entry, said = listed.entry, []
    if listed.problem is not None:
        said.append((f"cannot steer this model: it {listed.problem}", "error" if entry.meta is None else "warning"))
    if listed.warning is not None:
        said.append((listed.warning, "warning"))
    if listed.note is not None:
        said.append((listed.note, "accent"))
    return [[part] for part in wrapped([(label(text), paint) for text, paint in said], width)]


def _told(meta: VectorMeta, width: int) -> list[Row]:
    """Return what the owner wrote."""
    rows = wrapped_rows(meta.description, "", width) if meta.description else []
    if meta.tags:
        rows += wrapped_rows(" ".join(f"#{tag}" for tag in meta.tags), "accent", width)
    return [*rows, []] if rows else []


def layer_rows(meta: VectorMeta, width: int, glyphs: Glyphs) -> list[Row]:
    """Return a table of the diagnostics: a layer a row, separation as a bar, recommended layers marked."""
    figures = {layer: values for layer, values in sorted(meta.diagnostics.items())[:MOST_LAYERS] if values}
    if not figures:
        return wrapped_rows("no diagnostics: they come with making a vector from examples", "muted", width)
    shown = [(key, head) for key, head in FIGURES if any(key in values for values in figures.values())]
    shown = shown[: max(0, (width - _LAYER - _NUMBER - 8) // _FIGURE)]
    length = min(24, max(4, width - _LAYER - _NUMBER - _FIGURE * len(shown)))
    top = max((values.get("separation", 0.0) for values in figures.values()), default=0.0) or 1.0
    heads = "".join(fit_right(head, _FIGURE) for _, head in shown)
    rows: list[Row] = [[(fit("layer", _LAYER) + fit("separation", length + _NUMBER) + heads, "muted")]]
    for layer, values in figures.items():
        is_best = layer in meta.best_layers
        distance = values.get("separation", float("nan"))
        rows.append(
            [
                (f"{glyphs.steered if is_best else ' '}{layer:>3}  ", "on" if is_best else "muted"),
                (_level(distance / top, length, glyphs), "on" if is_best else "spark"),
                (fit_right(plain(distance), _NUMBER), "number"),
                *((fit_right(_figure(key, values.get(key)), _FIGURE), "number") for key, _ in shown),
            ]
        )
    return rows


def _level(share: float, cells: int, glyphs: Glyphs) -> str:
    """Return a thin bar, so that rows stay apart."""
    filled = 0 if share != share else round(min(max(share, 0.0), 1.0) * (cells - 1))
    return (glyphs.rail_filled * filled).ljust(cells)


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return MISSING
    return percent(value) if key == "relative_norm" else signed(value) if value < 0 else plain(value)


def _odd_rows(meta: VectorMeta, width: int) -> list[Row]:
    """Return the pairs that point away from the others."""
    if not meta.disagreeing:
        return []
    count = len(meta.disagreeing)
    rows = wrapped_rows("1 pair disagrees:" if count == 1 else f"{count} pairs disagree:", "warning", width)
    for odd in meta.disagreeing:
        text = f"{odd.pair + 1}. {odd.positive} | {odd.negative} ({signed(odd.agreement)})"
        rows += wrapped_rows(text, "muted", width)
    return [*rows, []]


def _origin_rows(listed: Listed, meta: VectorMeta, width: int) -> list[Row]:
    """Return where it comes from."""
    entry = listed.entry
    model = meta.model
    facts = {
        "model": f"{model['id']}, {model['layers']} layers, width {model['width']}",
        "layers": f"{layers_text(entry.layers)}; recommended {layers_text(meta.best_layers) or 'none'}",
        "made": ", ".join(_made(meta)),
        "from": _source(meta),
        "recipe": meta.default_recipe or "",
        "date": meta.created[:16].replace("T", " ") + (" UTC" if meta.created else ""),
        "size": size(entry.size_bytes),
    }
    rows: list[Row] = []
    for what, text in facts.items():
        rows += _field(what, text, width) if text else []
    return rows


def _made(meta: VectorMeta) -> Iterator[str]:
    yield meta.method
    if meta.read:
        yield meta.read
    if meta.pairs:
        yield f"{meta.pairs} pairs"
    if meta.template not in ("", "raw"):
        yield f"{meta.template} template"
    if meta.site != "block_out":
        yield f"read at {meta.site}"


def _source(meta: VectorMeta) -> str:
    if meta.parents:
        return ", ".join(meta.parents)
    return ", ".join(value for value in (meta.source or {}).values() if value)


def _field(what: str, text: str, width: int) -> list[Row]:
    room = max(4, width - 8)
    lines = wrapped([(label(text), "")], room)
    return [[(fit(what if index == 0 else "", 8), "muted"), line] for index, line in enumerate(lines)]


def wrapped_rows(text: str, paint: str, width: int) -> list[Row]:
    """Return a text as lines of one paint."""
    return [[part] for part in wrapped([(label(text), paint)], width)]


def layers_text(layers: tuple[int, ...]) -> str:
    """Return layers in short, such as `0-5`, whatever order they are in."""
    from steer_tui.engine.recipe import format_layers

    return format_layers(tuple(sorted(set(layers)))) if layers else ""
