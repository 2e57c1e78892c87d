"""Themes from TOML files: those that ship and the user's own, seen as soon as they are saved.

Promises that a file which does not fit is reported with its reason and changes nothing else. Knows nothing of screens.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from steer_tui.text import one_line

LARGEST = 100_000
"""Bytes of a theme file; anything larger is something else."""

_FIELDS = {field.name: field.type for field in dataclasses.fields(Theme)}
_COLORS = frozenset(
    "primary secondary warning error success accent foreground background surface panel boost".split()  # noqa: SIM905
)
_FLAGS = frozenset(("dark", "ansi"))
_NUMBERS = frozenset(("luminosity_spread", "text_alpha"))


def own_variables(theme: Theme) -> dict[str, str]:
    """Return the variables of our own as they are where a theme says nothing of them."""
    return {
        "steer-mark": theme.accent or theme.primary,
        "steer-positive": theme.success or theme.primary,
        "steer-negative": theme.error or theme.primary,
    }


class BrokenTheme(Exception):
    """A theme file does not fit; the message says why."""


def read_theme(path: Path) -> Theme:
    """Read one theme.

    Raises:
        BrokenTheme: the file cannot be read or says something a theme cannot say.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise BrokenTheme("too large for a theme")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BrokenTheme(error.strerror or "cannot be read") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BrokenTheme(one_line(str(error))) from None
    table.setdefault("name", path.stem)
    return make_theme(table)


def make_theme(table: Mapping[str, Any]) -> Theme:
    """Return the theme that a table says.

    Raises:
        BrokenTheme: a field is unknown, missing or of the wrong kind, or a colour is none.
    """
    for name, value in table.items():
        _check_field(name, value)
    if "primary" not in table:
        raise BrokenTheme("the colour `primary` is missing")
    theme = Theme(**{**table, "name": one_line(table["name"])})
    try:
        theme.to_color_system().generate()
    except Exception as error:  # whatever Textual makes of colours that pass one by one
        raise BrokenTheme(one_line(str(error))) from None
    return theme


def _check_field(name: str, value: object) -> None:
    if name not in _FIELDS:
        raise BrokenTheme(f"no field {one_line(name)!r} in a theme")
    if name == "variables":
        _check_variables(value)
    elif name in _FLAGS:
        if not isinstance(value, bool):
            raise BrokenTheme(f"`{name}` must be true or false")
    elif name in _NUMBERS:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise BrokenTheme(f"`{name}` must be a number")
    elif not isinstance(value, str) or not value.strip():
        raise BrokenTheme(f"`{name}` must be text")
    elif name in _COLORS:
        _check_color(name, value)


def _check_variables(value: object) -> None:
    if not isinstance(value, dict):
        raise BrokenTheme("`variables` must be a table")
    for name, text in value.items():
        if not isinstance(text, str) or any(sign in text for sign in ";{}\n"):
            raise BrokenTheme(f"variable {one_line(str(name))!r} must be plain text")
        if text.startswith("#"):
            _check_color(name, text.split()[0])


def _check_color(name: str, text: str) -> None:
    try:
        Color.parse(text)
    except ColorParseError:
        raise BrokenTheme(f"`{name}`: {one_line(text)!r} is no colour") from None


class ThemeFolder:
    """Theme files of one folder; `changes` tells what is new since it was last asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[Path, tuple[float, int]] = {}

    def changes(self) -> Iterator[tuple[Path, Theme | BrokenTheme]]:
        """Yield each new or changed file with its theme, or with what is wrong with it."""
        for path, stamp in self._stamps().items():
            if self._seen.get(path) == stamp:
                continue
            self._seen[path] = stamp
            try:
                yield path, read_theme(path)
            except BrokenTheme as problem:
                yield path, problem

    def _stamps(self) -> dict[Path, tuple[float, int]]:
        stamps = {}
        with contextlib.suppress(OSError):
            for path in sorted(self.folder.glob("*.toml")):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    stamps[path] = status.st_mtime, status.st_size
        return stamps
