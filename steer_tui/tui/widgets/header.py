"""The top line: the six screens on the left, model and state on the right."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.message import Message

from steer_tui.tui.glyphs import Glyphs
from steer_tui.tui.safe import fit, label
from steer_tui.tui.status import Status
from steer_tui.tui.widgets.pane import Pane, Part

SCREENS = ("Steer", "Sweep", "Library", "Inspect", "History", "Learn")
BAR = 8
"""Cells of the progress bar."""
LEAST_REF, MOST_REF = 6, 32
"""Cells of the model's ref; a path or hub id is longer than anyone reads in passing."""


class Header(Pane, can_focus=False):
    """One line, never focused."""

    class Chosen(Message):
        """Someone clicked on a screen's name."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, current: str) -> None:
        super().__init__(id="header")
        self.remove_class("pane")
        self.border_title = ""
        self.current = current
        """The screen this header stands on."""
        self._status = Status()
        self._spans: list[tuple[int, int, str]] = []

    @property
    def text_width(self) -> int:
        """The whole line: there is no scroll thumb."""
        return self.view.width

    def show(self, status: Status) -> None:
        """Show this status."""
        if status != self._status:
            self._status = status
            self.refresh()

    def line_total(self) -> int:
        """Return one."""
        return 1

    def line(self, index: int, width: int) -> list[Part]:
        """Return tabs and status, the tabs as long as the status leaves room."""
        status = status_parts(self._status, self.glyphs, max(30, width - 12))
        used = sum(cell_len(text) for text, _ in status) + 1
        tabs = self._tabs(width - used - 1)
        gap = width - used - sum(cell_len(text) for text, _ in tabs)
        return [*tabs, (" " * max(0, gap), ""), *status, (" ", "")]

    def _tabs(self, room: int) -> list[Part]:
        """Return the longest form of the tabs that fits."""
        parts: list[Part] = []
        for form in ("all", "short", "one"):
            parts, self._spans, at = [], [], 0
            for number, name in enumerate(SCREENS, 1):
                here = name.lower() == self.current
                if form == "one" and not here:
                    continue
                text = f" {number} {name} " if here or form == "all" else f" {number} "
                parts.append((text, "tab-here" if here else "muted"))
                self._spans.append((at, at + cell_len(text), name.lower()))
                at += cell_len(text)
            if at <= room:
                break
        return parts

    def on_click(self, event: events.Click) -> None:
        """Tell which screen was clicked."""
        for start, end, name in self._spans:
            if start <= event.x < end:
                self.post_message(self.Chosen(name))


def status_parts(status: Status, glyphs: Glyphs, room: int) -> list[Part]:
    """Return model ref, device, dtype, state and speed in at most `room` cells: a long ref is cut at its front."""
    joint: Part = (f" {glyphs.dot} ", "faint")
    tail: list[Part] = [(status.word, _PAINT.get(status.word, "muted"))]
    if status.word in ("loading", "extracting", "sweeping"):
        tail += _progress(status, glyphs)
    if status.speed and status.word in ("idle", "generating"):
        tail += [joint, (f"{status.speed:.0f} tok/s" if status.speed >= 10 else f"{status.speed:.1f} tok/s", "number")]
    middle: list[Part] = []
    if status.info is not None:
        middle = [(f"{label(status.info.device)} {label(status.info.dtype)}", "muted"), joint]
    ref = label(status.info.ref if status.info else status.loading) or "no model"
    rest = [joint, *middle, *tail]
    free = min(MOST_REF, max(LEAST_REF, room - sum(cell_len(text) for text, _ in rest)))
    if cell_len(ref) > free:
        ref = glyphs.ellipsis + fit(ref[::-1], free - 1, "").rstrip()[::-1]
    return [(ref, "strong"), *rest]


def _progress(status: Status, glyphs: Glyphs) -> list[Part]:
    parts: list[Part] = []
    if status.word == "loading" and status.info is not None:
        parts.append((f" {fit(label(status.loading), min(20, len(label(status.loading))), glyphs.ellipsis)}", "strong"))
    if status.fraction is None:
        return parts
    full = round(max(0.0, min(1.0, status.fraction)) * BAR)
    parts += [(" ", ""), (glyphs.full * full, "accent"), (glyphs.empty * (BAR - full), "faint")]
    return [*parts, (f" {status.fraction * 100:3.0f}%", "number")]


_PAINT = {"idle": "muted", "generating": "good", "failed": "error", "loading": "warning", "extracting": "warning",
          "sweeping": "good"}  # fmt: skip
