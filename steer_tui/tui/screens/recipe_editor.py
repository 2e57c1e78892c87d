"""The recipe as a line of text, read while it is typed: what is wrong stands below, under its column."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from steer_tui.engine.recipe import Recipe, nearest_names, parse_recipe, require_names
from steer_tui.errors import RecipeError
from steer_tui.text import one_line
from steer_tui.tui.safe import label
from steer_tui.tui.screens.modal import Modal
from steer_tui.tui.widgets.in_order import LineField
from steer_tui.tui.widgets.pane import Pane, Part
from steer_tui.tui.widgets.words import wrapped

GRAMMAR = "name:strength@layers~op/scope?gate, ...   e.g. happy:2@3-4/generated, formal:1"

LINES = 5
"""Of the verdict: the caret's and four of words."""


class Verdict(Pane, can_focus=False):
    """What the line means, or what is wrong with it and where."""

    def __init__(self) -> None:
        super().__init__(id="verdict")
        self.remove_class("pane")
        self.border_title = ""
        self._column: int | None = None
        self._words: list[Part] = []

    def line_total(self) -> int:
        """Return the caret's line and those of words that fit below it."""
        return LINES

    def approve(self, recipe: Recipe) -> None:
        """Say what the recipe does."""
        terms = ", ".join(label(term.name) for term in recipe.terms)
        words = (
            f"{len(recipe.terms)} term{'s' if len(recipe.terms) != 1 else ''}: {terms}"
            if terms
            else "empty: steers nothing"
        )
        self._column, self._words = None, [(words, "good"), (GRAMMAR, "faint")]
        self.refresh()

    def refuse(self, error: RecipeError, offset: int) -> None:
        """Say what is wrong; `offset` is the cell its column has in the field, below 0 where it is not visible."""
        self._column = offset if offset >= 0 else None
        hint: list[Part] = [(label(error.hint), "muted")] if error.hint else []
        self._words = [(label(error.message), "error"), *hint, (GRAMMAR, "faint")]
        self.refresh()

    def line(self, index: int, width: int) -> list[Part]:
        """Return the caret or a line of words."""
        if index == 0:
            return [(" " * self._column + self.glyphs.up, "error")] if self._column is not None else []
        return wrapped(self._words, width)[index - 1 : index]


class RecipeEditor(Modal[str]):
    """Answers with a recipe that parses."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "close", show=False)]

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        super().__init__()
        self.add_class("dialog")
        self._known = known
        self.field = LineField(one_line(text), select_on_focus=False, compact=True, id="recipe-line")
        self.verdict = Verdict()

    def compose(self) -> ComposeResult:
        """Return the field above its verdict."""
        box = Vertical(self.field, self.verdict, id="recipe-editor", classes="pane")
        box.border_title = Content("Edit recipe")
        box.border_subtitle = Content("enter applies, esc leaves")
        yield box

    def on_mount(self) -> None:
        """Begin at the end of the line."""
        self.field.focus()
        self.field.cursor_position = len(self.field.value)
        self.judge()

    def judge(self) -> bool:
        """Read the line and say what it means; True where it can be applied."""
        try:
            recipe = parse_recipe(self.field.value)
            self._require_names(recipe)
        except RecipeError as error:
            self.verdict.refuse(error, self._offset(error.column))
            return False
        self.verdict.approve(recipe)
        return True

    def _require_names(self, recipe: Recipe) -> None:
        """Refuse a name that is not known, at its column."""
        if not self._known:
            return
        for term in recipe.terms:
            if term.name not in self._known:
                column = self.field.value.find(term.name) + 1
                raise RecipeError(f"no vector {term.name!r}", hint=nearest_names(term.name, self._known), column=column)
        require_names(recipe, self._known)

    def _offset(self, column: int | None) -> int:
        if column is None:
            return -1
        return cell_len(self.field.value[: column - 1]) - round(self.field.scroll_offset.x)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Judge while typing; nothing that a terminal would obey gets into the line."""
        cleaned = one_line(event.value) if event.value != event.value.rstrip() + " " else event.value
        if not event.value.isprintable() and cleaned != event.value:
            self.field.value = cleaned
        self.judge()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Apply, if it can be applied."""
        if self.judge():
            self.dismiss(self.field.value.strip())

    def on_paste(self, event: events.Paste) -> None:
        """Let a paste be judged like typing."""
        self.call_after_refresh(self.judge)

    def on_key(self, event: events.Key) -> None:
        """Take what is typed before the field has the keyboard."""
        if event.is_printable and event.character:
            self.field.insert_text_at_cursor(event.character)

    def action_leave(self) -> None:
        """Leave the recipe as it was."""
        self.dismiss(None)
