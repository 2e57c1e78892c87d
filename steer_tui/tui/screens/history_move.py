"""Moving on History: within a pane, between panes, zoom and filter."""

from __future__ import annotations

from steer_tui.tui.history_layout import ENTRIES, FIRST, RECORD, SECOND
from steer_tui.tui.screens.history_panes import HistoryPanes


class HistoryMoves(HistoryPanes):
    """Actions that change what is looked at, and nothing else."""

    def act_move_left(self) -> None:
        """Go to the pane on the left."""
        self.go_to(FIRST if self.desk.facts.comparing else ENTRIES)

    def act_move_right(self) -> None:
        """Go to the pane on the right."""
        self.go_to(SECOND if self.desk.facts.comparing else RECORD)

    def move(self, amount: int) -> None:
        """Move the cursor of the list, or the view of another pane."""
        pane = self.focused_pane()
        if pane is self.entries:
            self.entries.move(amount)
        else:
            pane.scroll_lines(amount)

    def act_filter(self) -> None:
        """Write the filter."""
        if self.desk.facts.comparing:
            self.leave_comparison()
        self.go_to(ENTRIES)
        self.entries.start_filter()
