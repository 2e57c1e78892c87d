"""What reading every file found: damage first, then remarks. Nothing is ever deleted."""

from __future__ import annotations

from textual import events

from steer_tui.library.verify import Report
from steer_tui.tui.safe import fit, label
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.vector_lines import Row, wrapped_rows
from steer_tui.tui.widgets.pane import Pane, Part


class Findings(Pane):
    """Every finding with the file it is about."""

    TITLE = "Verify"

    def __init__(self, report: Report) -> None:
        super().__init__(id="findings")
        self._report = report
        self._rows: tuple[int, list[Row]] = (0, [])
        damaged = len(report.damaged)
        self.say(f"{report.checked} files read, {damaged} damaged; nothing is deleted")

    def _lines(self, width: int) -> list[Row]:
        if self._rows[0] != width:
            rows: list[Row] = []
            for finding in sorted(self._report.findings, key=lambda finding: not finding.is_damage):
                sign, paint = (self.glyphs.broken, "error") if finding.is_damage else (self.glyphs.dot, "muted")
                rows.append([(f"{sign} ", paint), (fit(label(finding.entry.name), width - 2), "strong")])
                rows += [[("  ", ""), *parts] for parts in wrapped_rows(finding.problem, "", width - 2)]
                rows += [[("  ", ""), *parts] for parts in wrapped_rows(str(finding.entry.path), "faint", width - 2)]
            self._rows = (width, rows)
        return self._rows[1]

    def line_total(self) -> int:
        """Return how many lines there are."""
        return len(self._lines(self.text_width if self.size.width else VerifyDialog.WIDTH - 4))

    def line(self, index: int, width: int) -> list[Part]:
        """Return one of them."""
        return self._lines(width)[index]

    def on_key(self, event: events.Key) -> None:
        """Scroll, or close."""
        page = max(1, self.body_height - 1)
        moves = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": page, "pageup": -page, "g": -9999, "G": 9999}
        if event.key in moves:
            self.scroll_lines(moves[event.key])
        elif event.key in ("enter", "q"):
            self.screen.dismiss(None)
        else:
            return
        event.stop()


class VerifyDialog(Dialog[None]):
    """Shows the findings."""

    WIDTH = 88

    def __init__(self, report: Report) -> None:
        super().__init__(Findings(report))
