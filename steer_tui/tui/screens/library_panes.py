"""The two panes of the Library screen, what moves between and within them, and what the engine tells of the library."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from textual import events
from textual.app import ComposeResult
from textual.containers import Container

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
from steer_tui.tui.screens.base import WorkbenchScreen
from steer_tui.tui.widgets.pane import Pane
from steer_tui.tui.widgets.vector_details import VectorDetails
from steer_tui.tui.widgets.vector_list import VectorList

BESIDE = 120
"""From this width on the details lie beside the list."""
STACKED = 18
"""From this many rows on the details lie below the list; on smaller screens tab changes places."""
FAR = 10**9
MAX_UNDO = 100
IDLE = ("idle", "failed")
"""Words of the status line with which a command is done at once."""


class LibraryPanes(WorkbenchScreen):
    """List and details."""

    NAME = "library"
    AUTO_FOCUS = "#vectors"

    def __init__(self) -> None:
        super().__init__(name=self.NAME)
        self.vectors = VectorList(id="vectors")
        self.details = VectorDetails(id="details")
        self.trash: tuple[Removed, ...] = ()
        self.undo: list[Change] = []
        """What can be taken back, the newest last."""
        self.working = ""
        """What is being done to files; empty while nothing is."""
        self._is_stale = True
        self._zoomed = False

    def body(self) -> ComposeResult:
        """Return both panes."""
        yield Container(self.vectors, self.details, id="library")

    # Layout

    def on_resize(self, event: events.Resize) -> None:
        """Lay the panes beside each other, below each other, or in one place; the base class does the rest."""
        width, height = event.size
        self.set_class(width >= BESIDE, "-beside")
        self.set_class(width < BESIDE and height < STACKED, "-one")
        self._show_zoom()

    def _show_zoom(self) -> None:
        alone = self._zoomed or self.has_class("-one")
        place = self.place
        self.vectors.set_class(alone and place == "details", "-away")
        self.details.set_class(alone and place != "details", "-away")

    @property
    def place(self) -> str:
        """The pane that has the keyboard."""
        return "details" if self.focused is self.details else "vectors"

    def go_to(self, name: str) -> None:
        """Give the keyboard to a pane."""
        pane = self.details if name == "details" else self.vectors
        pane.remove_class("-away")
        self.set_focus(pane, scroll_visible=False)

    def regain_focus(self) -> None:
        """Give the keyboard back to the list."""
        self.go_to("vectors")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Follow the keyboard."""
        self._show_zoom()
        self.show_status()

    def act_zoom(self) -> None:
        """Give the pane the whole screen, or give it back."""
        self._zoomed = not self._zoomed
        self._show_zoom()

    # Moving

    def act_next_pane(self) -> None:
        """Go to the other pane."""
        self.go_to("vectors" if self.place == "details" else "details")

    act_previous_pane = act_next_pane

    def act_move_left(self) -> None:
        """Go to the list."""
        self.go_to("vectors")

    def act_move_right(self) -> None:
        """Go to the details."""
        self.go_to("details")

    def act_move_down(self) -> None:
        """Move down."""
        self.move(1)

    def act_move_up(self) -> None:
        """Move up."""
        self.move(-1)

    def act_page_down(self) -> None:
        """Move a page down."""
        self.move(max(1, self._page - 1))

    def act_page_up(self) -> None:
        """Move a page up."""
        self.move(-max(1, self._page - 1))

    def act_first(self) -> None:
        """Move to the first line."""
        self.move(-FAR)

    def act_last(self) -> None:
        """Move to the last line."""
        self.move(FAR)

    @property
    def _page(self) -> int:
        focused = self.focused
        return focused.body_height if isinstance(focused, Pane) else 1

    def move(self, amount: int) -> None:
        """Move the cursor, or scroll the details."""
        if self.place == "details":
            self.details.scroll_lines(amount)
        else:
            self.vectors.move(amount)

    def act_filter(self) -> None:
        """Write the filter."""
        self.go_to("vectors")
        self.vectors.start_filter()

    def on_vector_list_moved(self) -> None:
        """Show the vector under the cursor."""
        self.details.show(self.vectors.current)
        self.show_status()

    def on_vector_list_filter_changed(self) -> None:
        """Show other keys while the filter is written."""
        self.show_status()

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
            app = self.bench_app
            if app.status.word in IDLE:
                app.engine.send(ListLibrary())
            else:  # a load or a sweep may take minutes
                in_background(app, partial(read_library, app.paths, app.status.info), self._take_reading)

    def _take_reading(self, event: LibraryListed) -> None:
        if self.is_attached and not self._is_stale:
            self._listed(event)

    def take(self, event: Event) -> None:
        """Take in what became of the library."""
        match event:
            case ModelLoaded() | VectorsChanged():
                self._is_stale = True
                self.call_after_refresh(self._look_again)
            case LibraryListed():
                self._listed(event)
            case LibraryProgress(doing, done, total):
                self._show_work(doing, done, total)
            case ExtractProgress(done, total):
                self._show_work("making vectors", done, total)
            case ExtractFinished():
                self.end_work()
            case LibraryRefused(message, hint, is_stopped):
                self.end_work()
                if is_stopped:
                    self.bench_app.say("stopped: nothing has changed")
                else:
                    self.bench_app.complain(message, hint)
            case LibraryChanged(change, is_undo):
                self.changed(change, is_undo)

    def _look_again(self) -> None:
        if self.bench_app.current_mode == self.NAME:
            self.refresh_list()

    def _listed(self, event: LibraryListed) -> None:
        self._is_stale = False
        self.trash = event.trash
        self.vectors.empty_note = "no vectors yet: n makes one from a few pairs of sentences"
        self.vectors.show(event.vectors)
        self.vectors.use(self.bench_app.bench.recipe.names)
        self.details.show(self.vectors.current)

    def changed(self, change: Change, is_undo: bool = False) -> None:
        """Say what was done, and remember how to take it back."""
        self.end_work()
        if change.renamed is not None:
            self._rename_in_recipe(*change.renamed)
        if is_undo:
            return self.bench_app.say(change.words)
        self.vectors.unmark()
        self.bench_app.say(f"{change.words}: u takes it back" if change.undo else change.words)
        self.remember(change)

    def remember(self, change: Change) -> None:
        """Note how to take a change back, and go to what is new."""
        if change.undo:
            self.undo = [*self.undo, change][-MAX_UNDO:]
        if change.names:
            self.vectors.move_to(change.names[0])
        self.show_status()

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
