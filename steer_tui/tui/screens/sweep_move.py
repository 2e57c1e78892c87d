"""Moving on Sweep: between panes, over the grid, along the front."""

from __future__ import annotations

from steer_tui.tui.screens.sweep_run import SweepRuns
from steer_tui.tui.sweep_layout import BASELINE, CELL, FRONT, GRID, SETUP
from steer_tui.tui.widgets.heatmap import HeatMap
from steer_tui.tui.widgets.pane import Pane
from steer_tui.tui.widgets.sweep_front import SweepFront


class SweepMoves(SweepRuns):
    """Actions that change what is looked at, and nothing else."""

    def move(self, amount: int) -> None:
        """Move down by so many lines."""
        self._move(amount, 0)

    def act_move_left(self) -> None:
        """Move left; from the texts, back to the grid's side."""
        self._move(0, -1)

    def act_move_right(self) -> None:
        """Move right."""
        self._move(0, 1)

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
