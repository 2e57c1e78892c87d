"""The Watch pane: live statistics of watched points at the newest token, with and without hooks.

Knows nothing of runs: it is given what was seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from textual.geometry import Region
from textual.timer import Timer

from steer_tui.engine.hookvalues import HookSpec, Watched
from steer_tui.tui.numbers import MISSING, change_paint, plain, signed, spark
from steer_tui.tui.point_rows import short_name
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.watch_history import FIELDS, PointHistory, WatchHistory
from steer_tui.tui.widgets.pane import Part
from steer_tui.tui.widgets.row_list import RowList

WIDE, WIDEST = 62, 92
"""From these many cells on, the columns are six and eight."""
DETAIL = len(FIELDS) + 1
"""Lines that tell all of the point under the cursor."""
LEAST_SPARK = 6


class WatchList(RowList):
    """One row per watched point; all five numbers of the one under the cursor below, where there is room."""

    TITLE = "Watch"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.history = WatchHistory()
        self.pause = 0.1
        """Seconds between two drawings while text streams."""
        self.specs: tuple[HookSpec, ...] = ()
        """What is watched; those that are off are drawn faint."""
        self._drawn = 0.0
        self._timer: Timer | None = None
        self.empty_note = "space on a point watches it"

    @property
    def head_count(self) -> int:  # type: ignore[override]
        """The names of the columns."""
        return 1 if self.specs else 0

    @property
    def foot_count(self) -> int:  # type: ignore[override]
        """Lines about the point under the cursor: all five numbers, or one line of what has no column."""
        if not self.specs:
            return 0
        free = self.view.height - 1 - len(self.specs)
        return DETAIL if free >= DETAIL else 1 if free >= 1 and self.text_width < WIDEST else 0

    # What is shown

    def show(self, specs: Sequence[HookSpec]) -> None:
        """Show these watches."""
        specs = tuple(specs)
        if specs != self.specs:
            self.specs = specs
            self.cursor = min(self.cursor, max(0, len(specs) - 1))
            self.top = min(self.top, self.last_top)
            self.refresh()

    def start(self) -> None:
        """Begin a run: forget the one before."""
        self.history = WatchHistory()
        self.say("")
        self.refresh()

    def finish(self) -> None:
        """Show the numbers of the whole text instead of the newest token's."""
        self.history.finish()
        self._draw_now()

    def push(self, watched: Iterable[Watched]) -> None:
        """Take in what steps brought; draws at most ten times a second."""
        if not self.history.push(watched):
            return
        left = self._drawn + self.pause - time.monotonic()
        if left <= 0:
            self._draw_now()
        elif self._timer is None:
            self._timer = self.set_timer(left, self._draw_now)

    def _draw_now(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._drawn = time.monotonic()
        known = max((self.history.of(spec.point) for spec in self.specs), key=lambda one: one.count, default=None)
        if known is None or not known.count:
            self.say("")
        elif known.is_whole:
            self.say(f"means of {known.means[0].count} tokens" if 0 in known.means else "")
        else:
            self.say(f"token {known.count}")
        self.refresh(Region(0, 0, *self.size))

    @property
    def current(self) -> HookSpec | None:
        """The watch under the cursor."""
        return self.specs[self.cursor] if self.cursor < len(self.specs) else None

    def move_to(self, spec: HookSpec) -> None:
        """Put the cursor on a watch."""
        if spec in self.specs:
            self.go(self.specs.index(spec))

    # Lines

    def row_total(self) -> int:
        """Return the number of watched points."""
        return len(self.specs)

    def _columns(self, width: int) -> list[tuple[str, int]]:
        """Return the numbers that have columns and their widths."""
        if width < WIDE:
            return [("norm", 7), ("std", 6)]
        if width < WIDEST:
            return [("mean", 8), ("std", 7), ("norm", 8), ("shift", 8)]
        return [("mean", 9), ("std", 8), ("norm", 8), ("shift", 8), ("min", 8), ("max", 8), ("shape", 12)]

    def _name_width(self, width: int) -> int:
        longest = max((len(self._name_of(spec, width)) for spec in self.specs), default=0)
        used = sum(size for _, size in self._columns(width))
        return max(8, min(longest + 3, width - used - (LEAST_SPARK + 2)))

    def _name_of(self, spec: HookSpec, width: int) -> str:
        return label(spec.point) if width >= WIDEST else short_name(label(spec.point))

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the names of the columns."""
        names = {"shift": f"{self.glyphs.delta} norm", "shape": "shape"}
        cells = "".join(fit_right(names.get(name, name), size) for name, size in self._columns(width))
        room = self._spark_room(width)
        span = f"last {min(room, 256)}"
        forms = (f"norm, {span} tokens", f"{span} tokens", span, "")
        what = next(form for form in forms if len(form) <= room or not form)
        return [(fit("  point", self._name_width(width)), "group"), (cells, "group"), (f"  {fit(what, room)}", "group")]

    def _spark_room(self, width: int) -> int:
        return width - self._name_width(width) - sum(size for _, size in self._columns(width)) - 2

    def line(self, index: int, width: int) -> list[Part]:
        """Return a point's row."""
        if not self.specs:
            return [(fit(self.empty_note, width, self.glyphs.ellipsis), "muted")]
        spec = self.specs[index]
        known = self.history.of(spec.point)
        cursor = self.glyphs.cursor if index == self.cursor else " "
        sign = self.glyphs.on if spec.enabled else self.glyphs.off
        name = fit(self._name_of(spec, width), self._name_width(width) - 2, self.glyphs.ellipsis)
        paint = "" if spec.enabled else "faint"
        parts: list[Part] = [(cursor, "accent"), (sign, "on" if spec.enabled else "faint"), (name, paint)]
        for column, size in self._columns(width):
            text, number_paint = self._number(known, column)
            parts.append((fit_right(text, size, self.glyphs.ellipsis), number_paint if spec.enabled else "faint"))
        room = self._spark_room(width)
        if room >= LEAST_SPARK and known.count:
            parts += self._spark(known, "norm", room)
        return parts

    def _number(self, known: PointHistory, column: str) -> tuple[str, str]:
        if column == "shape":
            return shape_text(known.shape), "muted"
        if column == "shift":
            value = known.shift("norm")
            return signed(value), change_paint(value)
        value = known.value(column)
        if column in ("std", "norm"):
            return plain(value, 2 if column == "std" else 1), "" if column == "norm" else "muted"
        return signed(value), "muted"

    def _spark(self, known: PointHistory, name: str, room: int) -> list[Part]:
        """Return a sparkline over the newest tokens; those of the prompt are fainter."""
        line = spark(known.series(name, room), *known.bounds(name, room), self.glyphs)
        prompt = max(0, known.prompt - (known.count - len(line)))
        return [(f"  {line[:prompt]}", "faint"), (line[prompt:], "spark")]

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return what has no column, or a line for each number: with hooks, without, and over the tokens."""
        spec = self.current
        if spec is None:
            return []
        known = self.history.of(spec.point)
        if self.foot_count == 1:
            return self._brief(known, width)
        if index == 0:
            return self._detail_head(spec, known, width)
        name = FIELDS[index - 1]
        value, other, shift = known.value(name), known.value(name, 1), known.shift(name)
        show = plain if name in ("std", "norm") else signed
        parts: list[Part] = [
            (f" {name:<5}", "muted"),
            (fit_right(show(value), 9), ""),
            (fit_right(show(other), 9), "muted"),
            (fit_right(signed(shift), 9), change_paint(shift)),
        ]
        room = width - 33 - 2
        if room >= LEAST_SPARK and known.count:
            parts += self._spark(known, name, room)
        return parts

    def _detail_head(self, spec: HookSpec, known: PointHistory, width: int) -> list[Part]:
        words = f"{self.glyphs.rail} {short_name(label(spec.point))} "
        head = f"{fit(words, 15, self.glyphs.rail)}{fit_right(' hooked', 9)}{fit_right('unhooked', 9)}"
        head = f"{fit(head, 33)}{self.glyphs.delta} " if width < 40 else f"{head}{fit_right(self.glyphs.delta, 9)}  "
        shape = f"{shape_text(known.shape)} over {known.count} tokens" if known.count else "no token yet: r runs"
        return [(head, "group"), (fit(shape, max(0, width - 35), self.glyphs.ellipsis), "group")]

    def _brief(self, known: PointHistory, width: int) -> list[Part]:
        if not known.count:
            return [(fit(" no token yet: r runs", width, self.glyphs.ellipsis), "muted")]
        facts = [("min", signed(known.value("min"))), ("max", signed(known.value("max")))]
        if width < WIDE:
            facts.append((f"{self.glyphs.delta} norm", signed(known.shift("norm"))))
            facts.append(("mean", signed(known.value("mean"))))
        parts: list[Part] = []
        room = width
        for name, value in facts:
            if len(name) + len(value) + 3 <= room:
                parts += [(f" {name} ", "muted"), (value, "")]
                room -= len(name) + len(value) + 2
        shape = shape_text(known.shape)
        return [*parts, (f" {shape}", "muted")] if len(shape) + 1 <= room else parts


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as `2x1x256`; a dash where there is none."""
    return "x".join(map(str, shape)) or MISSING
