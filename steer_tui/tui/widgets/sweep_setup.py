"""The Setup pane of Sweep: what will be swept, every field edited in its own line.

Knows nothing of sweeps beyond the plan it is shown; what a field means is asked of a function that it is given.
"""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.message import Message

from steer_tui.errors import UsageError
from steer_tui.session.sweep_plan import FIELDS, HELP, SweepPlan
from steer_tui.text import clean
from steer_tui.tui.line_edit import LineEdit
from steer_tui.tui.safe import fit, label, steady
from steer_tui.tui.widgets.pane import Pane, Part
from steer_tui.tui.wrap import Wrapper

PROMPT = "prompt"
MORE = "prompt +"
NAME = 12
"""Cells of the names."""


class SweepSetup(Pane):
    """The fields of a plan, one line each, the prompts below."""

    TITLE = "Setup"
    foot_count = 3
    has_hover = True

    class Edited(Message):
        """A field was written and makes sense."""

        def __init__(self, plan: SweepPlan) -> None:
            super().__init__()
            self.plan = plan

    class EditingChanged(Message):
        """Letters go to a field from now on, or no longer."""

    def __init__(self, known: Callable[[], tuple[str, ...]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.known = known
        """Returns the names of all concepts."""
        self.plan: SweepPlan | None = None
        self.cursor = 0
        self.edit: LineEdit | None = None
        """The line that is being written, None while none is."""
        self._complaint = ""

    def show_plan(self, plan: SweepPlan | None) -> None:
        """Show a plan; a field that is being written stays so."""
        self.plan = plan
        self.cursor = min(self.cursor, self.line_total() - 1)
        self.refresh()

    # The fields

    @property
    def _prompts(self) -> tuple[str, ...]:
        return self.plan.request.prompts if self.plan is not None else ()

    def _field(self, index: int) -> str:
        if index < len(FIELDS):
            return FIELDS[index]
        return PROMPT if index < len(FIELDS) + len(self._prompts) else MORE

    def _value(self, index: int) -> str:
        """Return a field as it is written; a newline of a prompt is written as `\\n`."""
        if self.plan is None or self._field(index) == MORE:
            return ""
        if index < len(FIELDS):
            return self.plan.text(FIELDS[index])
        return self._prompts[index - len(FIELDS)].replace("\n", "\\n")

    def _judge(self, text: str) -> SweepPlan:
        """Return the plan with the line under the cursor as it is written.

        Raises:
            UsageError: It makes no sense.
        """
        assert self.plan is not None
        if self.cursor < len(FIELDS):
            return self.plan.with_text(FIELDS[self.cursor], text, self.known())
        return self.plan.with_prompt(self.cursor - len(FIELDS), text.replace("\\n", "\n"))

    # Moving and writing

    def move(self, amount: int) -> None:
        """Move the cursor."""
        at = min(max(0, self.cursor + amount), self.line_total() - 1)
        if at != self.cursor and self.plan is not None:
            self.cursor = at
            self._complaint = ""
            self.show_line(at)
            self.refresh()

    def go_to_field(self, name: str) -> None:
        """Put the cursor on a field; `prompt` is the first of the prompts."""
        self.cursor = FIELDS.index(name) if name in FIELDS else len(FIELDS)
        self.show_line(self.cursor)
        self.refresh()

    def start_edit(self) -> None:
        """Let letters go to the field under the cursor."""
        if self.plan is not None:
            self.edit = LineEdit.of(self._value(self.cursor))
            self._complaint = ""
            self.refresh()
            self.post_message(self.EditingChanged())

    def stop_edit(self, *, keep: bool) -> bool:
        """Give letters back to the keys; `keep` takes in what was written. False where that makes no sense."""
        if self.edit is None:
            return True
        if keep:
            try:
                plan = self._judge(self.edit.text)
            except UsageError as error:
                self._complaint = f"{error.message}: {error.hint}" if error.hint else error.message
                self.refresh()
                return False
            if plan != self.plan:
                self.post_message(self.Edited(plan))
        self.edit = None
        self._complaint = ""
        self.refresh()
        self.post_message(self.EditingChanged())
        return True

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Keep letters from the bindings while they go to a field."""
        if self.edit is None:
            return False
        return key in ("enter", "tab", "up", "down") or self.edit.press(key, character) is not None

    def on_key(self, event: events.Key) -> None:
        """Write; enter takes in, tab and arrows too and go on."""
        if self.edit is None:
            return
        if event.key in ("enter", "tab", "up", "down"):
            if self.stop_edit(keep=True) and event.key != "enter":
                self.move(-1 if event.key == "up" else 1)
                self.call_after_refresh(self.start_edit)
        else:
            after = self.edit.press(event.key, event.character)
            if after is None:
                return
            self.edit = after
            self._look()
        event.stop()
        event.prevent_default()

    def _look(self) -> None:
        """Say what is wrong with the line while it is written."""
        self._complaint = ""
        if self.edit is not None:
            try:
                self._judge(self.edit.text)
            except UsageError as error:
                self._complaint = error.message
        self.redraw_lines(self.cursor)
        self.redraw_lines(self.top + self.body_height, self.foot_count)

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text into the field."""
        if self.edit is not None:
            event.stop()
            self.edit = self.edit.insert(clean(event.text).replace("\n", "\\n").replace("\t", " "))
            self._look()

    def on_blur(self) -> None:
        """Leave the field as it was when the keyboard goes elsewhere."""
        self.stop_edit(keep=False)

    def on_click(self, event: events.Click) -> None:
        """Move to the clicked field; a click on the one under the cursor opens it."""
        index = self.line_at(event.y - self.gutter.top)
        if self.plan is None or not 0 <= index < self.line_total():
            return
        if index == self.cursor and self.edit is None:
            return self.start_edit()
        if self.stop_edit(keep=True):
            self.cursor = index
            self.refresh()

    # Lines

    def line_total(self) -> int:
        """Return fields, prompts and the line that adds one."""
        return len(FIELDS) + len(self._prompts) + 1 if self.plan is not None else 1

    def is_cursor(self, index: int) -> bool:
        """Say whether the line is under the cursor."""
        return self.plan is not None and index == self.cursor and self.edit is None

    def line(self, index: int, width: int) -> list[Part]:
        """Return a field."""
        if self.plan is None:
            return [(fit(self.empty_note, width, self.glyphs.ellipsis), "muted")]
        here = index == self.cursor
        name = f"{self.glyphs.cursor if here else ' '}{fit(self._field(index), NAME - 1)}"
        room = max(1, width - NAME)
        parts: list[Part] = [(name, "accent" if here else "muted")]
        if here and self.edit is not None:
            before, below, after = self.edit.window(room)
            return [*parts, (steady(before), "strong"), (steady(below) or " ", "cursor"), (steady(after), "strong")]
        return [*parts, (fit(label(self._value(index)), room, self.glyphs.ellipsis), "")]

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return how big the sweep will be; below it what is wrong with a field, or how it is written."""
        if self.plan is None:
            return []
        if index == 0:
            cells, texts = self.plan.cells, self.plan.request.texts_per_cell
            words = f"{cells} cell{'s' if cells != 1 else ''}" + (f" of {texts} texts" if texts != 1 else "")
            return [(fit(f" {words}", width, self.glyphs.ellipsis), "group")]
        wrapper = Wrapper(max(2, width - 1))
        wrapper.append(*self._advice())
        parts = [(run.text, str(run.style)) for run in wrapper.line(index - 1)]
        return [(" ", ""), *parts]

    def _advice(self) -> tuple[str, str]:
        """Return what is wrong with the field under the cursor, or how it is written; and its paint."""
        if self._complaint:
            return label(self._complaint), "error"
        name = self._field(self.cursor)
        about = HELP.get(name, "what is continued; empty takes it away" if name == PROMPT else "one more prompt")
        return about, "faint"
