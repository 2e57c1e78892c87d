"""A screen of panes, one of which has the keyboard: moving within it, and on to the next."""

from __future__ import annotations

from steer_tui.tui.screens.base import WorkbenchScreen
from steer_tui.tui.widgets.pane import Pane

FAR = 10**9


class MovingScreen(WorkbenchScreen):
    """A screen with the keys that move; a subclass says what they mean in `walk` and `move`."""

    def walk(self, step: int) -> None:
        """Go so many panes on."""

    def move(self, amount: int) -> None:
        """Move the cursor or the view of the pane that has the keyboard."""

    @property
    def page_lines(self) -> int:
        """Lines of the pane that has the keyboard."""
        return self.focused.body_height if isinstance(self.focused, Pane) else 1

    def act_next_pane(self) -> None:
        """Go to the next pane."""
        self.walk(1)

    def act_previous_pane(self) -> None:
        """Go to the previous pane."""
        self.walk(-1)

    def act_move_down(self) -> None:
        """Move down."""
        self.move(1)

    def act_move_up(self) -> None:
        """Move up."""
        self.move(-1)

    def act_page_down(self) -> None:
        """Move a page down."""
        self.move(max(1, self.page_lines - 1))

    def act_page_up(self) -> None:
        """Move a page up."""
        self.move(-max(1, self.page_lines - 1))

    def act_first(self) -> None:
        """Move to the first line."""
        self.move(-FAR)

    def act_last(self) -> None:
        """Move to the last line."""
        self.move(FAR)

    def on_filter_pane_filter_changed(self) -> None:
        """Show other keys while a filter is written."""
        self.show_status()
