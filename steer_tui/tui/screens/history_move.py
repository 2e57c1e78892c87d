"""Moving on History: within a pane, between panes, zoom and filter."""

from __future__ import annotations

from dataclasses import replace

from steer_tui.tui.history_layout import ENTRIES, FIRST, RECORD, SECOND, panes
from steer_tui.tui.screens.history_panes import HistoryPanes

FAR = 10**9


class HistoryMoves(HistoryPanes):
    """Actions that change what is looked at, and nothing else."""

    def act_next_pane(self) -> None:
        """Go to the next pane."""
        self._walk(1)

    def act_previous_pane(self) -> None:
        """Go to the previous pane."""
        self._walk(-1)

    def _walk(self, step: int) -> None:
        order = panes(self.desk.facts)
        at = order.index(self.place) if self.place in order else 0
        self.go_to(order[(at + step) % len(order)])

    def act_move_left(self) -> None:
        """Go to the pane on the left."""
        self.go_to(FIRST if self.desk.facts.comparing else ENTRIES)

    def act_move_right(self) -> None:
        """Go to the pane on the right."""
        self.go_to(SECOND if self.desk.facts.comparing else RECORD)

    def act_move_down(self) -> None:
        """Move down."""
        self._move(1)

    def act_move_up(self) -> None:
        """Move up."""
        self._move(-1)

    def act_page_down(self) -> None:
        """Move a page down."""
        self._move(max(1, self.focused_pane().body_height - 1))

    def act_page_up(self) -> None:
        """Move a page up."""
        self._move(-max(1, self.focused_pane().body_height - 1))

    def act_first(self) -> None:
        """Move to the newest."""
        self._move(-FAR)

    def act_last(self) -> None:
        """Move to the oldest."""
        self._move(FAR)

    def _move(self, amount: int) -> None:
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

    def act_zoom(self) -> None:
        """Give the pane the whole desk, or give it back."""
        self.desk.facts = replace(self.desk.facts, zoomed=None if self.desk.facts.zoomed else self.place)
        self.show_status()
