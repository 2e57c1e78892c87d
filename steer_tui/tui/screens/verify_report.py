"""What reading every file found: damage first, then remarks. Nothing is ever deleted."""

from __future__ import annotations

from steer_tui.library.verify import Report
from steer_tui.tui.safe import fit, label
from steer_tui.tui.screens.report import Page
from steer_tui.tui.vector_lines import Row, wrapped_rows


class Findings(Page):
    """Every finding with the file it is about."""

    TITLE = "Verify"

    def __init__(self, report: Report) -> None:
        super().__init__("findings")
        self._report = report
        damaged = len(report.damaged)
        self.say(f"{report.checked} files read, {damaged} damaged; nothing is deleted")

    def rows(self, width: int) -> list[Row]:
        """Return each finding: its vector, what is wrong, its file."""
        rows: list[Row] = []
        for finding in sorted(self._report.findings, key=lambda finding: not finding.is_damage):
            sign, paint = (self.glyphs.broken, "error") if finding.is_damage else (self.glyphs.dot, "muted")
            rows.append([(f"{sign} ", paint), (fit(label(finding.entry.name), width - 2), "strong")])
            rows += [[("  ", ""), *parts] for parts in wrapped_rows(finding.problem, "", width - 2)]
            rows += [[("  ", ""), *parts] for parts in wrapped_rows(str(finding.entry.path), "faint", width - 2)]
        return rows
