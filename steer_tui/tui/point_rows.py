"""The tree of hook points as rows: the blocks with their points, then module paths; folded, or narrowed by words.

Pure: points in, rows out. Knows nothing of panes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from steer_tui.engine.hookvalues import PointInfo

MODULES = "modules"
"""The folder of module paths."""


@dataclass(frozen=True, slots=True)
class PointRow:
    """One line of the tree: a point, a folder, or a module that is both."""

    depth: int
    text: str
    point: PointInfo | None
    """None for a folder that is no point itself."""
    folder: str = ""
    """Its key where something can be unfolded below it; empty for a leaf."""
    points: tuple[str, ...] = ()
    """Names of the points below a folder."""

    @property
    def key(self) -> str:
        """What stays the same when rows are made anew."""
        return self.folder or (self.point.name if self.point else "")


class PointTree:
    """The points of one model, arranged."""

    def __init__(self, points: Sequence[PointInfo] = ()) -> None:
        self.points = {point.name: point for point in points}
        self._named = [point for point in points if point.name != point.module]
        self._modules = [point for point in points if point.name == point.module]
        self._below: dict[str, list[PointInfo]] = {}
        for point in self._modules:
            self._below.setdefault(point.name.rpartition(".")[0], []).append(point)

    @property
    def blocks(self) -> int:
        """How many blocks the model has."""
        return 1 + max((point.layer for point in self._named if point.layer is not None), default=-1)

    def rows(self, unfolded: Collection[str]) -> list[PointRow]:
        """Return the rows to show where only these folders are open."""
        rows: list[PointRow] = []
        blocks: dict[int, list[PointInfo]] = {}
        for point in self._named:
            if point.layer is None:
                continue
            blocks.setdefault(point.layer, []).append(point)
        first = next(iter(blocks.values()), [None])[0]
        at = self._named.index(first) if first is not None else len(self._named)
        rows += [PointRow(0, point.name, point) for point in self._named[:at] if point.layer is None]
        for layer, points in blocks.items():
            rows += _block(layer, points, unfolded)
        rows += [PointRow(0, point.name, point) for point in self._named[at:] if point.layer is None]
        if self._modules:
            rows.append(PointRow(0, MODULES, None, MODULES, tuple(point.name for point in self._modules)))
            if MODULES in unfolded:
                rows += self._module_rows("", 1, unfolded)
        return rows

    def matching(self, words: str) -> list[PointRow]:
        """Return the points that all words fit, with their full names: a number is a block, the rest part of a name."""
        wanted = words.casefold().replace("/", " ").split()
        return [PointRow(0, point.name, point) for point in self.points.values() if _fits(point, wanted)]

    def folders_of(self, name: str) -> list[str]:
        """Return the folders to open for a point to be seen."""
        point = self.points.get(name)
        if point is None:
            return []
        if point.name != point.module:
            return [f"blocks.{point.layer}"] if point.layer is not None else []
        parts = name.split(".")
        return [MODULES, *(".".join(parts[:end]) for end in range(1, len(parts)))]

    def _module_rows(self, parent: str, depth: int, unfolded: Collection[str]) -> Iterable[PointRow]:
        for point in self._below.get(parent, ()):
            has_more = point.name in self._below
            inside = tuple(other.name for other in self._below.get(point.name, ()))
            text = point.name.rpartition(".")[2]
            yield PointRow(depth, text, point, point.name if has_more else "", inside)
            if has_more and point.name in unfolded:
                yield from self._module_rows(point.name, depth + 1, unfolded)


def _block(layer: int, points: Sequence[PointInfo], unfolded: Collection[str]) -> Iterable[PointRow]:
    folder = f"blocks.{layer}"
    yield PointRow(0, folder, None, folder, tuple(point.name for point in points))
    if folder in unfolded:
        for point in points:
            yield PointRow(1, point.name.removeprefix(f"{folder}."), point)


def _fits(point: PointInfo, wanted: Sequence[str]) -> bool:
    name = point.name.casefold()
    return all(str(point.layer) == word if word.isdigit() else word in name for word in wanted)


def short_name(name: str) -> str:
    """Return a point's name without what every name has: `blocks.3.attn.hook_z` is `3.attn.z`."""
    return name.removeprefix("blocks.").replace("hook_", "")


def shape_words(shape: Sequence[str | int], *, short: bool) -> str:
    """Return a shape as `batch pos 256`, or `b p 256`."""
    return " ".join(part[:1] if short and isinstance(part, str) else str(part) for part in shape)
