"""Moving on Steer: within a pane, between panes, zoom and filter."""

from __future__ import annotations

from steer_tui.tui.layout import ACTIVATIONS, BASELINE, CONCEPTS, PROMPT, RECIPE, STEERED
from steer_tui.tui.screens.steer_panes import SteerPanes
from steer_tui.tui.widgets.pane import Pane

LEFT = (CONCEPTS, RECIPE)


class MoveActions(SteerPanes):
    """Actions that change what is looked at, and nothing else."""

    def act_move_left(self) -> None:
        """Go to the pane on the left."""
        if self.place == BASELINE and STEERED in self.desk.visible_panes():
            self.go_to(STEERED)
        elif self.place not in LEFT:
            self.go_to(self.latest(LEFT))

    def act_move_right(self) -> None:
        """Go to the pane on the right."""
        if self.place in LEFT:
            self.go_to(self.latest((STEERED, BASELINE, ACTIVATIONS)))
        elif self.place == STEERED and self.desk.facts.baseline:
            self.go_to(BASELINE)

    def latest(self, names: tuple[str, ...]) -> str:
        """Return the pane of these that was looked at last, among the visible ones."""
        visible = self.desk.visible_panes()
        seen = [name for name in self.desk.facts.recent if name in names and name in visible]
        return (seen or [name for name in names if name in visible] or [names[0]])[0]

    def move(self, amount: int) -> None:
        """Move the cursor or the view of the pane that has the keyboard."""
        if self.place == CONCEPTS:
            self.concepts.move(amount)
        elif self.place == RECIPE:
            bench = self.bench_app.bench
            last = max(0, len(bench.terms) - 1)
            self.bench_app.change(bench.select(min(max(0, bench.selected + amount), last)))
        elif isinstance(self.focused, Pane):
            self.focused.scroll_lines(amount)

    def act_filter(self) -> None:
        """Write the filter of the concepts."""
        self.go_to(CONCEPTS)
        self.concepts.start_filter()

    def act_write_prompt(self) -> None:
        """Write the prompt."""
        self.go_to(PROMPT)
        self.prompt.move_cursor(self.prompt.document.end)
