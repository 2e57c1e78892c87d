"""A list that is narrowed by words typed above it. Knows nothing of what the list holds."""

from __future__ import annotations

from textual import events
from textual.message import Message

from steer_tui.tui.safe import fit, label
from steer_tui.tui.widgets.pane import Part
from steer_tui.tui.widgets.row_list import RowList


class FilterPane(RowList):
    """A list with a filter in its first line; a subclass narrows its rows in `filter_changed`."""

    head_count = 1
    FILTER_NOTE = "/ filter"

    class FilterChanged(Message):
        """The filter's text or mode changed."""

    class Chosen(Message):
        """Someone clicked on the row that has the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.filter_text = ""
        self.filtering = False
        """Whether letters go to the filter."""

    def filter_changed(self) -> None:
        """Narrow the rows."""

    def start_filter(self) -> None:
        """Let letters go to the filter."""
        self.filtering = True
        self._changed()

    def stop_filter(self, *, clear: bool) -> None:
        """Give letters back to the keys; the filter stays unless `clear`."""
        self.filtering = False
        self.filter_text = "" if clear else self.filter_text
        self._changed()

    def _changed(self) -> None:
        self.filter_changed()
        self.refresh()
        self.post_message(self.FilterChanged())

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Keep letters from the bindings while they go to the filter."""
        return self.filtering and (
            key in ("backspace", "enter", "ctrl+u") or bool(character and character.isprintable())
        )

    def on_key(self, event: events.Key) -> None:
        """Write the filter; arrows move below it."""
        if not self.filtering:
            return
        if event.key == "enter":
            self.filtering = False
        elif event.key == "backspace":
            self.filter_text = self.filter_text[:-1]
        elif event.key == "ctrl+u":
            self.filter_text = ""
        elif event.is_printable and event.character:
            self.filter_text += event.character
        else:
            return
        event.stop()
        event.prevent_default()
        self._changed()

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text into the filter."""
        if self.filtering:
            event.stop()
            self.filter_text += label(event.text)[:200]
            self._changed()

    def on_blur(self) -> None:
        """Leave the filter when the keyboard goes elsewhere."""
        if self.filtering:
            self.stop_filter(clear=False)

    def on_click(self, event: events.Click) -> None:
        """Write the filter where it is clicked, else act on the clicked row."""
        y = event.y - self.gutter.top
        if y < 1:
            self.start_filter()
        elif y >= self.head_count and self.line_at(y) < self.row_total():
            self.click_row(self.line_at(y), event.x)

    def click_row(self, index: int, x: int) -> None:
        """Move to a row that was clicked at column `x`; a second click chooses it."""
        again = index == self.cursor
        self.go(index)
        if again:
            self.post_message(self.Chosen())

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the filter."""
        if self.filtering:
            return [("/ ", "key"), (fit(label(self.filter_text) + "_", width - 2), "strong")]
        if self.filter_text:
            return [("/ ", "key"), (fit(label(self.filter_text), width - 2), "strong")]
        return [(fit(self.FILTER_NOTE, width, self.glyphs.ellipsis), "faint")]
