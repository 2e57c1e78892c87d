"""What the engine tells of the library, how it is shown, and what is possible with what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from steer_tui.library.trash import Removed
from steer_tui.session.library_messages import (
    Change,
    LibraryChanged,
    LibraryListed,
    LibraryProgress,
    LibraryRefused,
    ListLibrary,
)
from steer_tui.session.library_reading import read_library
from steer_tui.session.messages import Command, Event, ExtractFinished, ExtractProgress, ModelLoaded, VectorsChanged
from steer_tui.tui.background import in_background
from steer_tui.tui.numbers import bar
from steer_tui.tui.screens.library_panes import LibraryPanes
from steer_tui.tui.widgets.pane import Pane

MAX_UNDO = 100
IDLE = ("idle", "failed")
"""Words of the status line with which a command is done at once."""


class LibraryNews(LibraryPanes):
    """The panes, kept as the library is."""

    def __init__(self) -> None:
        super().__init__()
        self.trash: tuple[Removed, ...] = ()
        self.undo: list[Change] = []
        """What can be taken back, the newest last."""
        self.working = ""
        """What is being done to files; empty while nothing is."""
        self._is_stale = True
        self._turn = 0
        """Numbers the readings without the engine and its lists, so that one which comes late is not taken."""

    # What the engine tells

    def on_mount(self) -> None:
        """Ask for the list; Textual calls the base class's own too."""
        self.refresh_list()

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was in front."""
        self.vectors.use(self.bench_app.bench.recipe.names)
        self.refresh_list()

    def refresh_list(self) -> None:
        """Ask for the list where the one that is shown is old."""
        if self._is_stale:
            self._is_stale = False
            if self.bench_app.status.word in IDLE:
                self.bench_app.engine.send(ListLibrary())
            else:  # a load or a sweep may take minutes
                self._read_without_engine()

    def _read_without_engine(self) -> None:
        app = self.bench_app
        self._turn += 1
        in_background(app, partial(read_library, app.paths, app.status.info), partial(self._take_reading, self._turn))

    def _take_reading(self, turn: int, event: LibraryListed) -> None:
        if self.is_attached and not self._is_stale and turn == self._turn:
            self._listed(event)

    def take(self, event: Event) -> None:
        """Take in what became of the library."""
        match event:
            case ModelLoaded() | VectorsChanged():
                self._is_stale = True
                self.call_after_refresh(self._look_again)
            case LibraryListed():
                self._turn += 1
                self._listed(event)
            case LibraryProgress(doing, done, total):
                self._show_work(doing, done, total)
            case ExtractProgress(done, total):
                self._show_work("making vectors", done, total)
            case ExtractFinished():
                self.end_work()
            case LibraryRefused():
                self._refused(event)
            case LibraryChanged(change, is_undo):
                self.changed(change, is_undo)

    def _refused(self, event: LibraryRefused) -> None:
        self.end_work()
        if event.is_stopped:
            return self.bench_app.say("stopped: nothing has changed")
        self.bench_app.complain(event.message, event.hint)
        if not self.vectors.all:  # the engine could not start: the files can be looked at all the same
            self._read_without_engine()

    def _look_again(self) -> None:
        if self.bench_app.current_mode == self.NAME:
            self.refresh_list()

    def _listed(self, event: LibraryListed) -> None:
        self._is_stale = False
        self.trash = event.trash
        self.vectors.empty_note = "no vectors yet: n makes one from a few pairs of sentences"
        term = self.bench_app.bench.selected_term if not self.vectors.all else None
        self.vectors.show(event.vectors)
        if term is not None:  # the first look at the list begins at what is steered with
            self.vectors.move_to(term.name)
        self.vectors.use(self.bench_app.bench.recipe.names)
        self.details.show(self.vectors.current)

    def changed(self, change: Change, is_undo: bool = False) -> None:
        """Say what was done, and remember how to take it back."""
        self.end_work()
        if change.renamed is not None:
            self._rename_in_recipe(*change.renamed)
        if is_undo:
            self._go_to(change)
            return self.bench_app.say(change.words)
        self.vectors.unmark()
        self.bench_app.say(f"{change.words}: u takes it back" if change.undo else change.words)
        self.remember(change)

    def remember(self, change: Change) -> None:
        """Note how to take a change back, and go to what is new."""
        if change.undo:
            self.undo = [*self.undo, change][-MAX_UNDO:]
        self._go_to(change)
        self.show_status()

    def _go_to(self, change: Change) -> None:
        if change.names:
            self.vectors.move_to(change.names[0])

    def _rename_in_recipe(self, old: str, new: str) -> None:
        """Let the recipe name a vector by its new name."""
        app = self.bench_app
        if any(old in (term.name, term.gate.name if term.gate else "") for term in app.bench.terms):
            app.change(app.bench.rename(old, new))

    def _show_work(self, doing: str, done: int, total: int) -> None:
        self.working = doing
        self.details.say(f"{doing} {bar(done / max(1, total), 12, Pane.glyphs)} {done} of {total}, esc stops")

    def end_work(self) -> None:
        self.working = ""
        self.details.say("")

    def send(self, command: Command) -> None:
        """Have something done to files; while a run streams it waits, which is said."""
        app = self.bench_app
        app.engine.send(command)
        if app.status.word not in IDLE:
            app.say(f"done when the engine is free: it is {app.status.word}")

    # What is possible

    @property
    def is_inside(self) -> bool:
        """Whether esc has a level to leave: the filter, the marks, the zoom, work on files."""
        return bool(
            self.vectors.filter_text or self.vectors.filtering or self.vectors.marked or self._zoomed or self.working
        )

    def refusals(self) -> Mapping[str, str]:
        """Return what is possible here."""
        current = self.vectors.current
        none = "" if current else "no vector under the cursor: n makes one"
        own = none or ("built in: it stays as it is" if current and current.entry.bundled else "")
        model = "" if self.bench_app.status.info else "no model yet: m chooses one"
        steer = none or model or (f"it {current.problem}" if current and current.problem else "")
        marked = len(self.vectors.marked)
        readable = none or ("it cannot be read" if current and current.entry.meta is None else "")
        return {
            "undo": "" if self.undo else "nothing to undo",
            "filter": "",
            "zoom": "",
            "open": steer,
            "library_mark": none,
            "library_edit": own,
            "library_remove": own if not marked else "",
            "library_trash": "" if self.trash else "the trash is empty",
            "library_make": model,
            "library_mix": readable if not marked else "",
            "library_map": "" if marked >= 2 else "mark two or more with space",
            "library_export": readable,
        }
