"""Moving on Sweep: between panes, over the grid, along the front."""

from __future__ import annotations

from steer_tui.tui.screens.sweep_run import SweepRuns
from steer_tui.tui.sweep_layout import BASELINE, CELL, FRONT, GRID, PANES, SETUP
from steer_tui.tui.widgets.heatmap import HeatMap
from steer_tui.tui.widgets.pane import Pane
from steer_tui.tui.widgets.sweep_front import SweepFront

FAR = 10**9


class SweepMoves(SweepRuns):
    """Actions that change what is looked at, and nothing else."""

    def act_next_pane(self) -> None:
        """Go to the next pane."""
        self._walk(1)

    def act_previous_pane(self) -> None:
        """Go to the previous pane."""
        self._walk(-1)

    def _walk(self, step: int) -> None:
        self.go_to(PANES[(PANES.index(self.place) + step) % len(PANES)])

    def act_move_down(self) -> None:
        """Move down."""
        self._move(1, 0)

    def act_move_up(self) -> None:
        """Move up."""
        self._move(-1, 0)

    def act_move_left(self) -> None:
        """Move left; from the texts, back to the grid's side."""
        self._move(0, -1)

    def act_move_right(self) -> None:
        """Move right."""
        self._move(0, 1)

    def act_page_down(self) -> None:
        """Move a page down."""
        self._move(max(1, self._page_lines - 1), 0)

    def act_page_up(self) -> None:
        """Move a page up."""
        self._move(-max(1, self._page_lines - 1), 0)

    def act_first(self) -> None:
        """Move to the first line."""
        self._move(-FAR, 0)

    def act_last(self) -> None:
        """Move to the last line."""
        self._move(FAR, 0)

    @property
    def _page_lines(self) -> int:
        focused = self.focused
        return focused.body_height if isinstance(focused, Pane) else 1

    def _move(self, down: int, right: int) -> None:
        if self.place == GRID:
            self.follows_best = False
            self.map.move(down, right)
        elif self.place == FRONT:
            self.follows_best = False
            self.front.move(right or -down)
        elif self.place == SETUP and down:
            self.setup.move(down)
        elif self.place == SETUP and right > 0:
            self.go_to(GRID)
        elif right:
            self.go_to(BASELINE if right > 0 else CELL)
        elif isinstance(self.focused, Pane):
            self.focused.scroll_lines(down)

    def on_heat_map_moved(self, event: HeatMap.Moved) -> None:
        """Show the texts of the cell."""
        self.show_cell()

    def on_sweep_front_moved(self, event: SweepFront.Moved) -> None:
        """Let the grid's cursor follow."""
        if self.board is not None:
            place = self.board.place_of(event.cell)
            names = [self.board.page_name(index) for index in range(len(self.board.pages))]
            if place.page in names and names.index(place.page) != self.page:
                self.page = names.index(place.page)
                self.show_grid()
            self.map.go_to_place(place)
            self.show_cell()
