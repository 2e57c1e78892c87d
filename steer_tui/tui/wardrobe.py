"""The app's themes: registers those that ship and the user's own, and sees a changed file at once."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App
from textual.theme import Theme

from steer_tui.errors import SteerError
from steer_tui.paths import Paths, bundled
from steer_tui.text import one_line
from steer_tui.tui.themes import BrokenTheme, ThemeFolder

if TYPE_CHECKING:
    from steer_tui.tui.app import SteerApp

FALLBACK = "nightshift"
"""Worn until a person chooses."""
FEW_COLOURS = "ansi"
"""Worn on terminals of 16 colours, where mixed colours turn to mud."""


class Wardrobe:
    """Themes by name."""

    def __init__(self, app: SteerApp, paths: Paths) -> None:
        self._app = app
        self._own = ThemeFolder(paths.themes)
        self.names: list[str] = []
        """Names of every theme, those that ship first."""

    def open(self, wanted: str | None) -> None:
        """Register all themes and wear the wanted one, or what suits the terminal."""
        with contextlib.suppress(SteerError):
            for path, theme in ThemeFolder(bundled("themes")).changes():
                self._take(path, theme, check=False)
        self.look()
        if wanted is not None and wanted not in self._app.available_themes:
            self._miss(wanted)
        name = wanted if wanted in self._app.available_themes else self.default
        if name in self._app.available_themes:
            self._begin_with(name)

    def _begin_with(self, name: str) -> None:
        """Wear a theme from the first frame on: set, not changed, so that the style sheet is read once."""
        app = self._app
        app.set_reactive(App.theme, name)
        app.set_class(app.current_theme.dark, "-dark-mode")
        app.set_class(not app.current_theme.dark, "-light-mode")
        app._refresh_truecolor_filter(app.ansi_theme)
        app.stylesheet.set_variables(app.get_css_variables())

    @property
    def default(self) -> str:
        """What suits the terminal: its own colours where it has only 16 or none."""
        few = self._app.console.color_system in (None, "standard", "windows") or self._app.no_color
        return FEW_COLOURS if few else FALLBACK

    def wear(self, name: str) -> bool:
        """Put a theme on; False, and a toast, where there is none of that name."""
        if name in self._app.available_themes:
            self._app.theme = name
            return True
        self._miss(name)
        return False

    def _miss(self, name: str) -> None:
        self._app.say(f"no theme {one_line(name)}: t shows them all", "warning")

    def look(self) -> None:
        """Take in files that are new or changed."""
        for path, theme in self._own.changes():
            self._take(path, theme, check=True)

    def _take(self, path: Path, theme: Theme | BrokenTheme, *, check: bool) -> None:
        if isinstance(theme, BrokenTheme):
            return self._app.say(f"theme {path.name}: {theme}", "warning")
        reason = self._misfit(theme) if check else ""
        if reason:
            return self._app.say(f"theme {path.name}: {reason}", "warning")
        self._app.register_theme(theme)
        if theme.name not in self.names:
            self.names.append(theme.name)
        if self._app.theme == theme.name and self._app.is_running:
            self._app.refresh_css(animate=False)

    def _misfit(self, theme: Theme) -> str:
        """Return why the style sheet cannot be drawn with a theme's variables; empty where it can."""
        sheet = self._app.stylesheet.copy()
        variables = self._app.get_css_variables() | theme.to_color_system().generate()
        sheet.set_variables(variables)
        try:
            sheet.parse()
        except Exception as error:  # Textual's parser raises several kinds, none of them documented
            return one_line(str(error))[:120] or "a variable does not fit"
        return ""

    def kind(self, name: str) -> str:
        """Return `dark` or `light`, or `terminal` for one that keeps the terminal's own colours."""
        theme = self._app.available_themes[name]
        return "terminal" if theme.ansi else "dark" if theme.dark else "light"
