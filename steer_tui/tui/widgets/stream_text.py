"""Text that streams: the Steered and Baseline panes.

Promises that a token costs the same at the end of a long text as at its start, that the view follows the tail until
someone scrolls away, and that marks never become part of what is copied. Knows nothing of runs: it is given tokens.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.selection import Selection
from textual.strip import Strip

from steer_tui.text import clean
from steer_tui.tui.safe import steady
from steer_tui.tui.widgets.pane import Pane, Part
from steer_tui.tui.wrap import Run, Wrapper


class StreamText(Pane):
    """A pane of text that grows at its end; what is drawn may be plainer than what is kept and copied."""

    TITLE = "Steered"
    ALLOW_SELECT = True

    def __init__(self, title: str, *, id: str | None = None) -> None:
        self.TITLE = title
        super().__init__(id=id)
        self.following = True
        """Whether the view keeps to the tail."""
        self._pieces: list[tuple[str, str]] = []
        self._wrapper = Wrapper(80)
        self._strips: dict[int, Strip] = {}

    # Text

    def clear(self) -> None:
        """Take all text away and follow the tail again."""
        self._pieces.clear()
        self._wrapper = Wrapper(self._wrapper.width)
        self._strips.clear()
        self.following = True
        self.top = 0
        self.refresh()

    def append(self, text: str, paint: str = "") -> None:
        """Add text at the end; `paint` is one of the pane's paints, empty for plain text."""
        text = clean(text)
        if not text:
            return
        self._pieces.append((text, paint))
        before = self._wrapper.count
        first = self._wrapper.append(steady(text), paint)
        for index in range(first, self._wrapper.count):
            self._strips.pop(index, None)
        self._show_growth(first, before)

    def take_from(self, other: StreamText) -> None:
        """Show what another pane shows."""
        self.clear()
        for text, paint in other._pieces:
            self.append(text, paint)

    def append_mark(self, note: str, *, apart: bool) -> None:
        """Put a visible mark into the text, such as ‹happy:2.5›; it is not copied with it.

        Args:
            note: What the mark says.
            apart: Whether a blank parts it from the text before: where it stands between words.
        """
        mark = f"{self.glyphs.mark_open}{clean(note)}{self.glyphs.mark_close}"
        self.append(f" {mark}" if apart else mark, "mark")

    @property
    def plain(self) -> str:
        """The generated text alone: neither the prompt nor marks nor why it ended."""
        return "".join(text for text, paint in self._pieces if paint not in ("mark", "prompt", "error"))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added yet."""
        return not self._pieces

    def _show_growth(self, first: int, before: int) -> None:
        if self.following and self.last_top != self.top:
            self.top = self.last_top
            self.refresh()
        elif self._wrapper.count != before and self._wrapper.count > self.body_height:
            self.refresh()  # the thumb moves
        else:
            self.redraw_lines(first, self._wrapper.count - first)

    # Lines

    def line_total(self) -> int:
        """Return the number of wrapped lines."""
        return self._wrapper.count

    def on_resize(self) -> None:
        """Wrap all text again when the width has changed."""
        if self.text_width != self._wrapper.width:
            anchor = self.top / max(1, self._wrapper.count)
            self._wrap_again()
            self.top = int(anchor * self._wrapper.count)
        self.top = self.last_top if self.following else min(self.top, self.last_top)
        self.refresh()

    def _wrap_again(self) -> None:
        self._wrapper = Wrapper(self.text_width)
        self._strips.clear()
        for text, paint in self._pieces:
            self._wrapper.append(steady(text), paint)

    def show_from(self, top: int) -> None:
        """Scroll; the view lets go of the tail when moved away from it, and takes hold again at the end."""
        super().show_from(top)
        self.following = self.top >= self.last_top

    def strip(self, index: int) -> Strip:
        """Return a wrapped line, kept until it changes."""
        if self.is_empty:
            return self.assemble(self._empty_line(index), None)
        selection = self.text_selection
        if selection is not None:
            return self._selected(index, selection)
        strip = self._strips.get(index)
        if strip is None:
            strip = self._strips[index] = self._draw(self._wrapper.line(index), index)
        return strip

    def _empty_line(self, index: int) -> list[Part]:
        wrapper = Wrapper(self.text_width)
        wrapper.append(self.empty_note, "muted")
        return [(run.text, "muted") for run in wrapper.line(index)]

    def _draw(self, runs: list[Run], index: int) -> Strip:
        return self.assemble([(run.text, str(run.style)) for run in runs], None).apply_offsets(0, index)

    # Looks and selection

    def notify_style_update(self) -> None:
        """Forget drawn lines when the theme changes."""
        super().notify_style_update()
        self._strips.clear()

    def _selected(self, index: int, selection: Selection) -> Strip:
        strip = self._draw(self._wrapper.line(index), index)
        span = selection.get_span(index)
        if span is None:
            return strip
        start, end = span
        style = self.screen.get_component_rich_style("screen--selection")
        return _restyle(strip, start, strip.cell_length if end == -1 else end, style)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the text under a mouse selection."""
        text = "\n".join("".join(run.text for run in runs) for runs in self._wrapper.lines())
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw again when the selection moves."""
        self.refresh()


def _restyle(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """Return a strip with `style` laid over the cells from `start` to `end`."""
    before, rest = strip.crop(0, start), strip.crop(start, end)
    over = Strip([Segment(text, (old or Style()) + style, control) for text, old, control in rest], rest.cell_length)
    return Strip.join([before, over, strip.crop(end)])
