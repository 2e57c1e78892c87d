"""The hooks in their order, the parameters of the open one edited in place: cursor, opening, writing a value.

Draws nothing; knows nothing of models: what is wrong with a value is asked of a function that it is given. Asks for
changes by messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message

from steer_tui.engine.hookkinds import Parameter, format_value, parse_value
from steer_tui.engine.hookvalues import HookReport, HookSpec
from steer_tui.errors import UsageError
from steer_tui.session.hook_edits import parameters_of, value_of
from steer_tui.tui.safe import label
from steer_tui.tui.widgets.pane import Pane

Judge = Callable[[HookSpec, Parameter, Any], str]
"""Returns why a hook cannot have a value; empty where it can."""
LONGEST = 4000
"""Characters of a value that is typed or pasted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cursor stands: a hook, and the parameter of it; -1 is the hook itself."""

    hook: int = 0
    parameter: int = -1


class HookList(Pane):
    """One line per hook; below the open one a line for each of its parameters."""

    TITLE = "Attached"
    has_hover = True

    class Moved(Message):
        """The cursor came to stand on another hook or parameter."""

    class Edited(Message):
        """A value was written."""

        def __init__(self, index: int, parameter: Parameter, value: Any) -> None:
            super().__init__()
            self.index, self.parameter, self.value = index, parameter, value

    class EditingChanged(Message):
        """Letters go to a value now, or no longer."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hooks: tuple[HookSpec, ...] = ()
        self.place = Place()
        self.opened = -1
        """Index of the hook whose parameters are shown; -1 for none."""
        self.editing: str | None = None
        """What is being written into the parameter under the cursor."""
        self.judge: Judge = lambda spec, parameter, value: ""
        self.empty_note = "c on a point puts a hook on it"
        self.fresh = False
        """Whether the first letter takes the place of the old value."""
        self.problems: Mapping[HookSpec, str] = {}
        """What is wrong with some of the hooks."""
        self.reports: Mapping[HookSpec, HookReport] = {}
        """What they did in the last run."""

    # What is shown

    def show(self, hooks: Sequence[HookSpec], problems: Mapping[HookSpec, str]) -> None:
        """Show these hooks, with what is wrong with some of them."""
        hooks = tuple(hooks)
        if (hooks, problems) == (self.hooks, self.problems):
            return
        if len(hooks) != len(self.hooks):
            self.stop_editing()
            self.opened = self.opened if self.opened < len(hooks) else -1
        self.hooks, self.problems = hooks, dict(problems)
        self.place = Place(min(self.place.hook, max(0, len(hooks) - 1)), self.place.parameter)
        if self.parameter is None:
            self.place = Place(self.place.hook)
        wrong = sum(spec in problems for spec in hooks if spec.enabled)
        on = sum(spec.enabled for spec in hooks)
        words = f"{on} on" if on == len(hooks) else f"{on} of {len(hooks)} on"
        self.say(f"{words}, {wrong} wrong" if wrong else words if hooks else "")
        self._settle()

    def report(self, reports: Sequence[HookReport]) -> None:
        """Show what hooks did in the run that ended."""
        self.reports = {report.spec: report for report in reports}
        self.refresh()

    @property
    def current(self) -> HookSpec | None:
        """The hook under the cursor."""
        return self.hooks[self.place.hook] if self.place.hook < len(self.hooks) else None

    @property
    def parameter(self) -> Parameter | None:
        """The parameter under the cursor; None on the hook itself."""
        spec = self.current
        known = parameters_of(spec) if spec is not None and self.opened == self.place.hook else ()
        return known[self.place.parameter] if 0 <= self.place.parameter < len(known) else None

    def rows(self) -> list[Place]:
        """Return where the cursor may stand, line by line."""
        made: list[Place] = []
        for index, spec in enumerate(self.hooks):
            made.append(Place(index))
            if index == self.opened:
                made += [Place(index, number) for number in range(len(parameters_of(spec)))]
        return made

    def line_total(self) -> int:
        """Return hooks and shown parameters."""
        return len(self.rows()) or 1

    def is_cursor(self, index: int) -> bool:
        """Say whether the line is under the cursor."""
        rows = self.rows()
        return index < len(rows) and rows[index] == self.place

    # The cursor

    def move(self, amount: int) -> None:
        """Move the cursor by so many lines."""
        rows = self.rows()
        if rows:
            at = rows.index(self.place) if self.place in rows else 0
            self.go(rows[min(max(0, at + amount), len(rows) - 1)])

    def go(self, place: Place) -> None:
        """Put the cursor somewhere; what was being written is left."""
        if place != self.place:
            self.stop_editing()
            self.place = place
            self._settle()
            self.post_message(self.Moved())

    def open(self, index: int, *, at_first: bool = False) -> None:
        """Show the parameters of a hook, the cursor on the hook or on its first parameter."""
        self.stop_editing()
        self.opened = index
        has_any = 0 <= index < len(self.hooks) and bool(parameters_of(self.hooks[index]))
        self.place = Place(index, 0 if at_first and has_any else -1)
        self._settle()
        self.post_message(self.Moved())

    def close(self) -> bool:
        """Hide the parameters; False where none are shown."""
        if self.opened < 0:
            return False
        self.stop_editing()
        self.place, self.opened = Place(self.place.hook), -1
        self._settle()
        return True

    def _settle(self) -> None:
        rows = self.rows()
        self.top = min(self.top, self.last_top)
        if self.place in rows:
            at = rows.index(self.place)
            if self.opened == self.place.hook and self.body_height > 0:
                mine = [index for index, place in enumerate(rows) if place.hook == self.place.hook]
                self.show_line(mine[-1])
                self.show_line(mine[0])
            self.show_line(at)
        self.refresh()

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._settle()

    # Writing a value

    def start_editing(self) -> None:
        """Let letters go to the parameter under the cursor."""
        spec, parameter = self.current, self.parameter
        if spec is not None and parameter is not None:
            self.editing, self.fresh = format_value(value_of(spec, parameter)), True
            self.refresh()
            self.post_message(self.EditingChanged())

    def stop_editing(self) -> None:
        """Leave the value as it was."""
        if self.editing is not None:
            self.editing = None
            self.refresh()
            self.post_message(self.EditingChanged())

    def verdict(self) -> tuple[Any, str]:
        """Return what the written text means and what is wrong with it; empty where nothing is."""
        spec, parameter = self.current, self.parameter
        if spec is None or parameter is None or self.editing is None:
            return None, ""
        try:
            value = parse_value(parameter, self.editing)
        except (UsageError, OverflowError) as error:
            return None, getattr(error, "message", f"{parameter.name} is too large")
        return value, self.judge(spec, parameter, value)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Keep letters from the bindings while a value is written."""
        return self.editing is not None and (
            key in ("backspace", "enter", "ctrl+u") or bool(character and character.isprintable())
        )

    def on_key(self, event: events.Key) -> None:
        """Write a value."""
        if self.editing is None:
            return
        if event.key == "enter":
            self._finish()
        elif event.key == "backspace":
            self.editing, self.fresh = self.editing[:-1], False
        elif event.key == "ctrl+u":
            self.editing, self.fresh = "", False
        elif event.is_printable and event.character:
            self._write(event.character)
        else:
            return
        event.stop()
        event.prevent_default()
        self.refresh()

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text into the value."""
        if self.editing is not None:
            event.stop()
            self._write(label(event.text))
            self.refresh()

    def _write(self, text: str) -> None:
        self.editing = (text if self.fresh else f"{self.editing}{text}")[:LONGEST]
        self.fresh = False

    def _finish(self) -> None:
        """Apply the value; one that is wrong stays in the line with its reason."""
        value, wrong = self.verdict()
        parameter = self.parameter
        if not wrong and parameter is not None:
            index = self.place.hook
            self.stop_editing()
            self.post_message(self.Edited(index, parameter, value))

    def on_blur(self) -> None:
        """Leave what was being written when the keyboard goes elsewhere."""
        self.stop_editing()

    def on_click(self, event: events.Click) -> None:
        """Move to the clicked line; a second click on a hook opens it, on a parameter writes it."""
        index, rows = self.line_at(event.y - self.gutter.top), self.rows()
        if not 0 <= index < len(rows):
            return
        again = rows[index] == self.place
        self.go(rows[index])
        if again and self.parameter is not None:
            self.start_editing()
        elif again and not self.close():
            self.open(self.place.hook)
