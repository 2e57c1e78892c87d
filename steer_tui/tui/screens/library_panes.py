"""The two panes of the Library screen, and what moves between and within them."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Container

from steer_tui.tui.screens.moving import MovingScreen
from steer_tui.tui.widgets.vector_details import VectorDetails
from steer_tui.tui.widgets.vector_list import VectorList

BESIDE = 120
"""From this width on the details lie beside the list."""
STACKED = 18
"""From this many rows on the details lie below the list; on smaller screens tab changes places."""


class LibraryPanes(MovingScreen):
    """List and details."""

    NAME = "library"
    AUTO_FOCUS = "#vectors"

    def __init__(self) -> None:
        super().__init__(name=self.NAME)
        self.vectors = VectorList(id="vectors")
        self.details = VectorDetails(id="details")
        self._zoomed = False

    def body(self) -> ComposeResult:
        """Return both panes."""
        yield Container(self.vectors, self.details, id="library")

    # Layout

    def on_resize(self, event: events.Resize) -> None:
        """Lay the panes beside each other, below each other, or in one place; the base class does the rest."""
        width, height = event.size
        self.set_class(width >= BESIDE, "-beside")
        self.set_class(width < BESIDE and height < STACKED, "-one")
        self._show_zoom()

    def _show_zoom(self) -> None:
        alone = self._zoomed or self.has_class("-one")
        place = self.place
        self.vectors.set_class(alone and place == "details", "-away")
        self.details.set_class(alone and place != "details", "-away")

    @property
    def place(self) -> str:
        """The pane that has the keyboard."""
        return "details" if self.focused is self.details else "vectors"

    def go_to(self, name: str) -> None:
        """Give the keyboard to a pane."""
        pane = self.details if name == "details" else self.vectors
        pane.remove_class("-away")
        self.set_focus(pane, scroll_visible=False)

    def regain_focus(self) -> None:
        """Give the keyboard back to the list."""
        self.go_to("vectors")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Follow the keyboard."""
        self._show_zoom()
        self.show_status()

    def act_zoom(self) -> None:
        """Give the pane the whole screen, or give it back."""
        self._zoomed = not self._zoomed
        self._show_zoom()

    # Moving

    def walk(self, step: int) -> None:
        """Go to the other pane."""
        self.go_to("vectors" if self.place == "details" else "details")

    def act_move_left(self) -> None:
        """Go to the list."""
        self.go_to("vectors")

    def act_move_right(self) -> None:
        """Go to the details."""
        self.go_to("details")

    def move(self, amount: int) -> None:
        """Move the cursor, or scroll the details."""
        if self.place == "details":
            self.details.scroll_lines(amount)
        else:
            self.vectors.move(amount)

    def act_filter(self) -> None:
        """Write the filter."""
        self.go_to("vectors")
        self.vectors.start_filter()

    def on_row_list_moved(self) -> None:
        """Show the vector under the cursor."""
        self.details.show(self.vectors.current)
        self.show_status()
