"""Themes, each worn while it is under the cursor; esc puts the old one back on."""

from __future__ import annotations

from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.wardrobe import Wardrobe
from steer_tui.tui.widgets.picker import Choice, Picker


class ThemePicker(Dialog[str]):
    """Answers with a theme's name."""

    WIDTH = 44

    def __init__(self, wardrobe: Wardrobe, current: str) -> None:
        self.picker = Picker("Theme", "a theme's name")
        super().__init__(self.picker)
        self._wardrobe, self._current = wardrobe, current
        self.picker.show(
            [Choice(name, name, right=wardrobe.kind(name), marked=name == current) for name in wardrobe.names], current
        )
        self.picker.say("own themes: themes/*.toml")

    def natural_height(self) -> int:
        """Keep one height while it is narrowed."""
        return self.picker.natural_height

    def on_row_list_moved(self) -> None:
        """Wear what is under the cursor."""
        if self.picker.current is not None:
            self._wardrobe.wear(self.picker.current.id)

    def on_picker_chosen(self, event: Picker.Chosen) -> None:
        """Keep what is worn."""
        if event.choice is not None:
            self.dismiss(event.choice.id)

    def action_leave(self) -> None:
        """Put the old theme back on."""
        self._wardrobe.wear(self._current)
        self.dismiss(None)
