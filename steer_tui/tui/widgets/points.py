"""The Points pane: every place of the model that can be read or changed, as a tree with a filter.

Knows nothing of hooks beyond which points have some; asks for changes by messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from rich.cells import cell_len

from steer_tui.engine.hookvalues import PointInfo
from steer_tui.session.hook_edits import OUTPUT
from steer_tui.tui.point_rows import PointRow, PointTree, shape_words
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.filterable import FilterPane
from steer_tui.tui.widgets.pane import Part
from steer_tui.tui.wrap import Wrapper

TALL, LOW = 16, 9
"""From these many lines on, three tell about the point under the cursor, or one."""


class Points(FilterPane):
    """A tree of points; watched ones and those that have hooks are marked."""

    TITLE = "Points"
    FILTER_NOTE = "/ filter: resid_post, 3 attn"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tree_of = PointTree()
        self._unfolded: set[str] = set()
        self._rows: list[PointRow] = []
        self._watched: Set[str] = frozenset()
        self._hooked: Mapping[str, int] = {}

    @property
    def foot_count(self) -> int:  # type: ignore[override]
        """Lines that tell about the point under the cursor."""
        return (3 if self.view.height >= TALL else 1 if self.view.height >= LOW else 0) if self._rows else 0

    # What is shown

    def show(self, points: Sequence[PointInfo], unfold: int) -> None:
        """Show these points, the block `unfold` open and the cursor at its output."""
        self.tree_of = PointTree(points)
        block = f"blocks.{min(max(0, unfold), max(0, self.tree_of.blocks - 1))}"
        self._unfolded = {block}
        self._narrow(f"{block}.{OUTPUT}")

    def complete(self, points: Sequence[PointInfo]) -> None:
        """Show these points in the place of the same model's; what is open and the cursor stay."""
        kept = self.row.key if self.row else ""
        self.tree_of = PointTree(points)
        self._narrow(kept)

    def mark(self, watched: Set[str], hooked: Mapping[str, int]) -> None:
        """Mark the points that are watched, and those that have hooks with how many."""
        if (watched, hooked) != (self._watched, self._hooked):
            self._watched, self._hooked = watched, hooked
            self.refresh()

    @property
    def row(self) -> PointRow | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    @property
    def current(self) -> PointInfo | None:
        """The point under the cursor; for a block, what it puts out."""
        row = self.row
        if row is None:
            return None
        return row.point or self.tree_of.points.get(f"{row.folder}.{OUTPUT}")

    def filter_changed(self) -> None:
        """Narrow the rows to what the words fit."""
        self._narrow(self.current.name if self.current else "")

    def _narrow(self, kept: str) -> None:
        """Make the rows anew with the cursor on the point `kept`, where it is shown."""
        words = self.filter_text.strip()
        self._rows = self.tree_of.matching(words) if words else self.tree_of.rows(self._unfolded)
        if not words:
            self._open_to(kept)
        self.cursor = next((index for index, row in enumerate(self._rows) if row.key == kept), 0)
        total = len(self.tree_of.points)
        self.say(f"{len(self._rows)} of {total}" if words else f"{total} points" if total else "")
        self.show_cursor()
        self.post_message(self.Moved())

    def _open_to(self, name: str) -> None:
        folders = set(self.tree_of.folders_of(name)) - self._unfolded
        if folders:
            self._unfolded |= folders
            self._rows = self.tree_of.rows(self._unfolded)

    # The cursor

    def move_to(self, name: str) -> None:
        """Put the cursor on a point, opening what hides it; nothing while a filter hides it."""
        if not self.filter_text:
            self._open_to(name)
        found = next((index for index, row in enumerate(self._rows) if row.point and row.point.name == name), None)
        if found is not None:
            self.go(found)

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.show_cursor()

    def is_open(self) -> bool:
        """Say whether the row under the cursor is an open folder."""
        return bool(self.row and self.row.folder in self._unfolded and not self.filter_text)

    def fold(self) -> bool:
        """Fold the folder under the cursor, else go to the one that holds the row; False where there is none."""
        row = self.row
        if row is None or self.filter_text:
            return False
        if row.folder and row.folder in self._unfolded:
            self._unfolded.discard(row.folder)
            return self._again(row)
        for index in range(self.cursor - 1, -1, -1):
            if self._rows[index].depth < row.depth:
                self.go(index)
                return True
        return False

    def unfold(self) -> bool:
        """Unfold the folder under the cursor; False where it is none, or open already."""
        row = self.row
        if row is None or not row.folder or row.folder in self._unfolded or self.filter_text:
            return False
        self._unfolded.add(row.folder)
        return self._again(row)

    def _again(self, row: PointRow) -> bool:
        """Make the rows anew, the cursor on the same one."""
        self._rows = self.tree_of.rows(self._unfolded)
        self.cursor = next((index for index, other in enumerate(self._rows) if other.key == row.key), 0)
        self.top = min(self.top, self.last_top)
        self.show_line(min(self.cursor + self.body_height - 2, len(self._rows) - 1) if self.is_open() else 0)
        self.show_cursor()
        return True

    # Lines

    def line(self, index: int, width: int) -> list[Part]:
        """Return a row: its fold sign or mark, its name, its shape or what is inside."""
        if not self._rows:
            note = "no match: esc clears" if self.tree_of.points else self.empty_note
            wrapper = Wrapper(width)
            wrapper.append(note, "")
            return [(run.text, "muted") for run in wrapper.line(index)]
        row = self._rows[index]
        sign, sign_paint = self._sign(row)
        lead = f"{'  ' * row.depth}{self._fold_sign(row)}"
        tail, tail_paint = self._tail(row, width)
        name, room = label(row.text), width - 3 - len(lead)
        if room - cell_len(name) - 1 < cell_len(tail):
            tail = tail if row.point is None else ""
        room -= cell_len(tail) + (1 if tail else 0)
        if cell_len(name) > room and self.filter_text:
            name = name.removeprefix("blocks.")
        return [
            (self.glyphs.cursor if index == self.cursor else " ", "accent"),
            (sign, sign_paint),
            (f" {lead}", "muted"),
            (fit(name, room, self.glyphs.ellipsis), self._name_paint(row)),
            (f" {tail}" if tail else "", tail_paint),
        ]

    def _fold_sign(self, row: PointRow) -> str:
        if not row.folder or self.filter_text:
            return ""
        return f"{self.glyphs.unfolded if row.folder in self._unfolded else self.glyphs.folded} "

    def _sign(self, row: PointRow) -> tuple[str, str]:
        """Return the mark of a point: hooked, watched, not to be had."""
        name = row.point.name if row.point else ""
        if self._hooked.get(name):
            return self.glyphs.hooked, "mark"
        if name in self._watched:
            return self.glyphs.on, "on"
        return " ", ""

    def _name_paint(self, row: PointRow) -> str:
        if row.point is None:
            return "strong"
        if not row.point.available:
            return "faint"
        if row.point.name in self._watched or row.point.name in self._hooked:
            return "on"
        return ""

    def _tail(self, row: PointRow, width: int) -> tuple[str, str]:
        if row.folder and row.folder not in self._unfolded:
            watched = sum(name in self._watched for name in row.points)
            hooked = sum(self._hooked.get(name, 0) for name in row.points)
            marks = f"{self.glyphs.on}{watched} " * bool(watched) + f"{self.glyphs.hooked}{hooked}" * bool(hooked)
            if marks:
                return marks.strip(), "on"
        if row.point is None:
            return (fit_right(f"{len(row.points)} points", 10).strip(), "faint")
        if not row.point.available:
            return "not here", "faint"
        return shape_words(row.point.shape, short=width < 40), "faint"

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return what the row under the cursor is: its shape in words, its module, why it cannot be had."""
        if index == 0 and self.foot_count > 1:
            return [(self.glyphs.rail * width, "rail")]
        index = max(1, index)
        point = self.current
        if point is None:
            return [("enter opens it" if index == 1 else "", "muted")]
        if not point.available:
            wrapper = Wrapper(width)
            wrapper.append(label(point.reason or "not in this model"), "")
            text = "".join(run.text for run in wrapper.line(index - 1))
            return [(text, "warning")]
        if index == 1:
            shape = f" {self.glyphs.dot} ".join(map(str, point.shape)) or "shape seen when it runs"
            is_block = self.row is not None and self.row.point is None
            return [(fit(f"{OUTPUT}: {shape}" if is_block else shape, width, self.glyphs.ellipsis), "")]
        return [(fit(label(point.note or point.module or "the model"), width, self.glyphs.ellipsis), "muted")]
