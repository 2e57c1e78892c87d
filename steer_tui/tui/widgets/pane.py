"""A bordered pane of lines that scrolls by itself: what every list, table and text of the workbench is made of.

Promises that only visible lines are drawn, that scrolling never lays out the screen again, and that names from outside
are drawn as they are. Knows nothing of what the lines say; a subclass gives `line_total` and `line`.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from steer_tui.tui.glyphs import UNICODE, Glyphs
from steer_tui.tui.paints import OWN_BACKGROUND
from steer_tui.tui.safe import label

Part = tuple[str, str]
"""Text and the name of what it is painted with; an empty name is plain text."""


class Pane(Widget, can_focus=True):
    """A titled pane of lines."""

    TITLE = ""
    """What the border says; scripts look for it."""
    glyphs: Glyphs = UNICODE
    head_count = 0
    """Lines above the scrolled ones that stay."""
    foot_count = 0
    """Lines below the scrolled ones that stay."""
    has_hover = False
    """Whether the line below the mouse is lit: where a click on it acts."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self._paints: dict[str, Style] = {}
        self._view: Size | None = None
        self._hover = -1
        self.top = 0
        """Index of the first visible line."""
        self.empty_note = ""
        """Shown while there is nothing to show: what to press."""
        self.border_title = Content(self.TITLE)

    def line_total(self) -> int:
        """Return how many lines there are."""
        return 0

    def line(self, index: int, width: int) -> list[Part]:
        """Return the parts of line `index`, at most `width` cells together."""
        return []

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the parts of a line that stays above."""
        return []

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return the parts of a line that stays below."""
        return []

    def is_cursor(self, index: int) -> bool:
        """Say whether the line is the one keys act on."""
        return False

    @property
    def view(self) -> Size:
        """Cells inside the border; reckoned once per drawing, because Textual reckons it anew at every look."""
        return self._view or self.size

    @property
    def text_width(self) -> int:
        """Cells of a line; the last column is kept for the scroll thumb."""
        return max(1, self.view.width - 1)

    @property
    def body_height(self) -> int:
        """Lines of the part that scrolls."""
        return max(0, self.view.height - self.head_count - self.foot_count)

    def line_at(self, y: int) -> int:
        """Return the index of the line at a row of the pane; may lie beyond the last, or below 0 on the head."""
        return self.top + y - self.head_count

    def say(self, note: str) -> None:
        """Put a short note on the lower border; empty takes it away."""
        text = label(note)
        if text != getattr(self, "_note", ""):
            self._note = text
            self.border_subtitle = Content(text) if text else ""

    def paint(self, name: str) -> Style:
        """Return the style of a paint over this pane's background; an empty name is plain text."""
        style = self._paints.get(name)
        if style is None:
            style = self._paints[name] = self._mix(name)
        return style

    def _mix(self, name: str) -> Style:
        plain = self.rich_style
        if not name:
            return plain
        style = self.screen.get_component_rich_style(f"paint--{name}")
        return style if name in OWN_BACKGROUND else style + Style(bgcolor=plain.bgcolor)

    def notify_style_update(self) -> None:
        """Mix the paints anew when theme, focus or class have changed."""
        super().notify_style_update()
        self._paints.clear()

    # Scrolling

    @property
    def last_top(self) -> int:
        """The furthest that `top` can go."""
        return max(0, self.line_total() - self.body_height)

    def scroll_lines(self, amount: int) -> None:
        """Move the view by so many lines, as far as there are lines."""
        self.show_from(self.top + amount)

    def show_from(self, top: int) -> None:
        """Make `top` the first visible line, as far as there are lines."""
        top = min(max(0, top), self.last_top)
        if top != self.top:
            self.top = top
            self.refresh()

    def show_line(self, index: int) -> None:
        """Scroll no further than needed to make a line visible; nothing while the pane has no size yet."""
        if self.body_height <= 0:
            return
        if index < self.top:
            self.show_from(index)
        elif index >= self.top + self.body_height:
            self.show_from(index - self.body_height + 1)

    def on_resize(self) -> None:
        """Keep the view within the lines there are."""
        self.show_from(self.top)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll three lines down."""
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll three lines up."""
        event.stop()
        self.scroll_lines(-3)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Light the line below the mouse."""
        if self.has_hover:
            self._light(self.line_at(event.y - self.gutter.top))

    def on_leave(self) -> None:
        """Light no line when the mouse has gone."""
        self._light(-1)

    def _light(self, index: int) -> None:
        if index != self._hover:
            for line in (self._hover, index):
                self.redraw_lines(line)
            self._hover = index

    def redraw_lines(self, first: int, count: int = 1) -> None:
        """Draw lines again, those of them that are visible."""
        self.refresh(Region(0, first - self.top + self.head_count, self.size.width, count))

    # Drawing

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines within a rectangle."""
        self._view = self.size
        try:
            return super().render_lines(crop)
        finally:
            self._view = None

    def render_line(self, y: int) -> Strip:
        """Return one visible line with the scroll thumb at its end."""
        row = y - self.head_count
        if row < 0:
            return self._with_thumb(self.assemble(self.head_line(y, self.text_width), None), -1)
        if row >= self.body_height:
            return self._with_thumb(self.assemble(self.foot_line(row - self.body_height, self.text_width), None), -1)
        return self._with_thumb(self.strip(self.top + row), row)

    def strip(self, index: int) -> Strip:
        """Return a line as a strip of `text_width` cells."""
        if index >= self.line_total():
            return Strip.blank(self.text_width, self.paint(""))
        parts = self.line(index, self.text_width)
        if not self.is_cursor(index):
            return self.assemble(parts, self.paint("hover") if index == self._hover else None)
        return self.assemble(parts, self.paint("cursor" if self.has_focus else "cursor-blurred"))

    def assemble(self, parts: Iterable[Part], over: Style | None) -> Strip:
        """Return parts as a strip of `text_width` cells, on the background of `over` where it is given."""
        base = over or self.paint("")
        segments: list[Segment] = []
        room = self.text_width
        for text, name in parts:
            room -= cell_len(text)
            segments.append(Segment(text, _over(self.paint(name), over) if name or not over else base))
        if room > 0:
            segments.append(Segment(" " * room, base))
        return Strip(segments, self.text_width - min(room, 0)).crop(0, self.text_width)

    def _with_thumb(self, strip: Strip, row: int) -> Strip:
        total, height = self.line_total(), self.body_height
        if row < 0 or total <= height or height < 2:
            return Strip([*strip, Segment(" ", self.paint(""))], strip.cell_length + 1)
        length = max(1, height * height // total)
        start = round((height - length) * self.top / max(1, total - height))
        lit = start <= row < start + length
        segment = Segment(self.glyphs.thumb if lit else " ", self.paint("thumb"))
        return Strip([*strip, segment], strip.cell_length + 1)


def _over(style: Style, over: Style | None) -> Style:
    """Return a paint's colour and attributes on another background; a reversed background takes no colours."""
    if over is None:
        return style
    if over.reverse:
        return over + Style(bold=style.bold)
    return style + Style(bgcolor=over.bgcolor, bold=style.bold or over.bold)
