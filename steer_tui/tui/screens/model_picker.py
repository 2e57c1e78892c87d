"""Models: the demo, recent ones and the local cache, with sizes and whether they fit; any ref may be typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steer_tui.errors import SteerError
from steer_tui.tui.background import in_background
from steer_tui.tui.numbers import size
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.picker import Choice, Picker

if TYPE_CHECKING:
    from steer_tui.engine.models import ModelChoice


class ModelPicker(Dialog[str]):
    """Answers with a ref."""

    WIDTH = 84

    def __init__(self, current: str) -> None:
        self.picker = Picker("Model", "filter, or type a folder, a .gguf file or a hub id")
        super().__init__(self.picker)
        self._current = current
        self.picker.empty_note = "looking for models"
        self.picker.say("enter loads")

    def natural_height(self) -> int:
        """Keep room for a handful."""
        return max(10, self.picker.natural_height)

    def on_mount(self) -> None:
        """Look for models off the screen's thread: a large cache on a slow disk takes a while."""
        in_background(self.app, _find, self._show)

    def _show(self, found: Sequence[Choice] | str) -> None:
        if not self.is_attached:
            return
        self.picker.empty_note = found if isinstance(found, str) else "enter loads what is typed"
        choices = [] if isinstance(found, str) else list(found)
        self.picker.show([_marked(choice, self._current) for choice in choices], self._current)
        self.fit_pane()

    def on_picker_chosen(self, event: Picker.Chosen) -> None:
        """Answer with the row under the cursor, or with the words themselves where they match none."""
        if event.choice is not None:
            self.dismiss(event.choice.id)
        elif event.words.strip():
            self.dismiss(event.words.strip())


def _find() -> Sequence[Choice] | str:
    try:
        from steer_tui.engine.models import list_models

        return [_choice(model) for model in list_models()]
    except (SteerError, OSError) as error:
        return str(error)


def _choice(model: ModelChoice) -> Choice:
    fits = {True: "", False: "does not fit", None: ""}[model.fits]
    kind = model.kind if model.kind != model.ref else ""
    detail = ", ".join(word for word in (kind, model.note, fits) if word)
    return Choice(model.ref, model.ref, detail, size(model.size_bytes) if model.size_bytes else "")


def _marked(choice: Choice, current: str) -> Choice:
    from dataclasses import replace

    return replace(choice, marked=choice.id == current)
