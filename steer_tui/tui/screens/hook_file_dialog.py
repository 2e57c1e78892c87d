"""Asks for the Python file of own hooks: a path, completed with tab; says that the file is run."""

from __future__ import annotations

import os
from pathlib import Path

from textual import events
from textual.message import Message

from steer_tui.files import expanded
from steer_tui.tui.safe import fit, label
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.pane import Pane, Part

MOST_ENTRIES = 2000
"""Entries of a folder that are looked at."""
SHOWN = 10


class PathPane(Pane):
    """A path that is typed, the files that it may become below."""

    TITLE = "Load hooks from a file"
    head_count = 2
    foot_count = 2

    class Chosen(Message):
        """A file was named."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    def __init__(self, text: str) -> None:
        super().__init__(id="hook-path")
        self.text = text
        self._found: list[str] = []
        self._cursor = -1
        """The entry that enter takes; -1 is what was typed."""
        self._look()

    def _look(self) -> None:
        self._found, self._cursor, self.top = completions(self.text), -1, 0

    def on_key(self, event: events.Key) -> None:
        """Type, complete, choose; escape is left to the dialog."""
        if event.key in ("down", "up", "ctrl+n", "ctrl+p"):
            step = 1 if event.key in ("down", "ctrl+n") else -1
            self._cursor = min(max(-1, self._cursor + step), len(self._found) - 1)
            self.show_line(max(0, self._cursor))
        elif event.key == "tab":
            self._complete()
        elif event.key == "enter":
            self._choose()
        elif event.key == "backspace":
            self._type(self.text[:-1])
        elif event.key == "ctrl+u":
            self._type("")
        elif event.is_printable and event.character:
            self._type(joined(self.text, event.character))
        else:
            return
        event.stop()
        event.prevent_default()
        self.refresh()

    def on_paste(self, event: events.Paste) -> None:
        """Take a pasted path."""
        event.stop()
        self._type(joined(self.text, label(event.text).strip()))
        self.refresh()

    def _type(self, text: str) -> None:
        self.text = text
        self._look()

    def _complete(self) -> None:
        """Write as much as all that is found begins with; where that is nothing new, the first of them."""
        if not self._found:
            return
        common = os.path.commonprefix(self._found)  # noqa: RUF071
        common = self._found[self._cursor] if self._cursor >= 0 else common
        self._type(common if len(common) > len(self.text) else self._found[0])

    def _choose(self) -> None:
        path = self._found[self._cursor] if self._cursor >= 0 else self.text.strip()
        if path.endswith(os.sep) or os.path.isdir(expanded(path)):
            self._type(path if path.endswith(os.sep) else path + os.sep)
        elif path:
            self.post_message(self.Chosen(path))

    def on_click(self, event: events.Click) -> None:
        """Take the clicked entry."""
        index = self.line_at(event.y - self.gutter.top)
        if 0 <= index < len(self._found):
            self._cursor = index
            self._choose()
            self.refresh()

    def line_total(self) -> int:
        """Return the entries found."""
        return len(self._found) or 1

    def is_cursor(self, index: int) -> bool:
        """Say whether the line is under the cursor."""
        return bool(self._found) and index == self._cursor

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the line that is typed into, and a rule."""
        if index == 1:
            return [(self.glyphs.rail * width, "rail")]
        text = label(self.text)
        if len(text) > width - 4:
            text = self.glyphs.ellipsis + text[-(width - 5) :]
        return [("> ", "key"), (fit(f"{text}_", width - 2), "strong")]

    def line(self, index: int, width: int) -> list[Part]:
        """Return a file or folder that the path may become."""
        if not self._found:
            return [(fit("  no Python file begins so", width, self.glyphs.ellipsis), "muted")]
        cursor = self.glyphs.cursor if index == self._cursor else " "
        path = self._found[index]
        name = label(path.rstrip(os.sep).rpartition(os.sep)[2] + (os.sep if path.endswith(os.sep) else ""))
        return [(f"{cursor} ", "accent"), (fit(name, width - 2, self.glyphs.ellipsis), "")]

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return what loading a file means."""
        if index == 0:
            return [(self.glyphs.rail * width, "rail")]
        note = "the file is run with all that Python may do; tab completes, enter loads"
        return [(fit(note, width, self.glyphs.ellipsis), "muted")]


class HookFileDialog(Dialog[str]):
    """Answers with a path."""

    def __init__(self, path: str | None) -> None:
        super().__init__(PathPane(path or _here()))

    def natural_height(self) -> int:
        """Keep one height while it is narrowed."""
        return SHOWN + self.main.head_count + self.main.foot_count

    def on_path_pane_chosen(self, event: PathPane.Chosen) -> None:
        """Answer."""
        self.dismiss(event.path)


def _here() -> str:
    try:
        return f"{Path.cwd()}{os.sep}"
    except OSError:
        return f"~{os.sep}"


def joined(text: str, more: str) -> str:
    """Return the path with more written to it; `/` or `~` behind a separator begins the path anew."""
    return more if text.endswith(os.sep) and more.startswith((os.sep, "~")) else text + more


def completions(text: str) -> list[str]:
    """Return the Python files and folders that a path may become, files first; written as the path is."""
    folder, sep, start = text.rpartition(os.sep)
    try:
        with os.scandir(expanded(f"{folder}{sep}") if sep else Path()) as entries:
            found = [entry for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False)]
    except (OSError, ValueError):
        return []
    names: list[tuple[bool, str]] = []
    for entry in found:
        if not entry.name.startswith(start) or (entry.name.startswith(".") and not start):
            continue
        is_folder = _is_folder(entry)
        if is_folder or entry.name.endswith(".py"):
            names.append((is_folder, f"{folder}{sep}{entry.name}{os.sep if is_folder else ''}"))
    return [name for _, name in sorted(names)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
