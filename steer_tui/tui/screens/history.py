"""History: every run and every sweep, to read, replay exactly, compare, star, note and export."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from steer_tui.errors import SteerError
from steer_tui.session.history_rows import HistoryEntry
from steer_tui.session.messages import Event, LoadFailed, ModelLoaded, RunFailed, RunFinished
from steer_tui.session.records import RunRecord
from steer_tui.session.sweep_messages import SweepFailed, SweepFinished
from steer_tui.session.sweep_records import SweepRecord
from steer_tui.tui.actions import FOOTERS, Hint
from steer_tui.tui.background import in_background
from steer_tui.tui.history_layout import ENTRIES, RECORD, SECOND
from steer_tui.tui.screens.history_move import HistoryMoves
from steer_tui.tui.widgets.history_list import key_of

SETTLE_SECONDS = 0.3
"""What the journal's writer may take to note an end."""


class HistoryScreen(HistoryMoves):
    """The fifth screen."""

    _waiting: RunRecord | None = None
    """What is replayed when its model has been loaded."""
    _marked: RunRecord | None = None
    """The first of two runs to compare."""

    def on_mount(self) -> None:
        """Read the newest page."""
        self.entries.empty_note = "reading"
        self.record_pane.empty_note = "the entry under the cursor"
        self.set_focus(self.entries, scroll_visible=False)
        self.entries.forget()
        self.show_status()

    def on_screen_resume(self) -> None:
        """See what is new."""
        self.read_again()
        super().on_screen_resume()

    def take(self, event: Event) -> None:
        """See what is new when a run or a sweep has ended; replay what waited for its model."""
        match event:
            case RunFinished() | RunFailed() | SweepFinished() | SweepFailed():
                if self.is_current:
                    self.set_timer(SETTLE_SECONDS, self.read_again)
            case ModelLoaded(info):
                waiting, self._waiting = self._waiting, None
                if waiting is not None and info.ref == waiting.entry.model:
                    self._replay(waiting)
            case LoadFailed():
                self._waiting = None

    def hints(self) -> Sequence[Hint]:
        """Return the keys of the pane that has the keyboard."""
        if self.entries.filtering:
            return FOOTERS["filter"]
        if self.desk.facts.comparing:
            return FOOTERS["history comparing"]
        if isinstance(self.record, SweepRecord):
            return FOOTERS["history sweep"]
        return FOOTERS[f"history {RECORD if self.place == RECORD else ENTRIES}"]

    def refusals(self) -> Mapping[str, str]:
        """Return why an action is not possible here now."""
        app = self.bench_app
        nothing = "" if self.entries.current is not None else "nothing here yet: r on Steer runs"
        busy = "a sweep is running: 2 shows it" if app.status.sweeping else ""
        model = "" if app.status.info is not None else "the model comes first"
        replay = nothing or model or busy
        return {
            **dict.fromkeys(("run", "repeat"), replay),
            **dict.fromkeys(("star", "write_note", "export_history"), nothing),
            "compare": nothing,
            **dict.fromkeys(("zoom", "filter"), ""),
        }

    # Leaving a level

    def act_stop(self) -> None:
        """Leave one level: the filter, the zoom, a comparison, the record, what runs, the screen."""
        if self.entries.filtering or (self.place == ENTRIES and self.entries.filter_text):
            self.entries.stop_filter(clear=True)
        elif self.desk.facts.zoomed:
            self.act_zoom()
        elif self.desk.facts.comparing:
            self._marked = None
            self.leave_comparison()
        elif self.place == RECORD:
            self.go_to(ENTRIES)
        elif self.entries.marked is not None:
            self.entries.marked = self._marked = None
            self.entries.refresh()
        elif not self.bench_app.stop_work():
            self.bench_app.act("show_steer")

    # Reading and replaying

    def act_open(self) -> None:
        """Read the run; once more puts it on Steer. A sweep is shown as its grid."""
        if self.desk.facts.comparing:
            return self.act_zoom()
        self.with_record(self._open)

    def _open(self, record: RunRecord | SweepRecord) -> None:
        if isinstance(record, SweepRecord):
            self._open_sweep(record)
        elif self.place == ENTRIES:
            self.go_to(RECORD)
        else:
            self._use(record)

    def on_filter_pane_chosen(self) -> None:
        """Open the clicked entry."""
        self.act_open()

    def _open_sweep(self, record: SweepRecord) -> None:
        from steer_tui.tui.screens.sweep import SweepScreen

        app = self.bench_app
        if app.status.sweeping:
            return app.say("a sweep is running: 2 shows it")
        place = app.visit("sweep")
        assert isinstance(place, SweepScreen)
        place.open_record(record)
        app.act("show_sweep")
        if record.entry.ending != "complete":
            app.say(f"{record.entry.done} of {record.entry.total} cells: r goes on")

    def _use(self, record: RunRecord) -> None:
        """Put prompt, recipe, hooks and sampling of a run on Steer."""
        app, request = self.bench_app, record.request
        try:
            bench = app.bench.set_recipe(request.recipe).set_prompt(request.prompt)
        except SteerError as error:
            return app.complain(error.message, error.hint)
        bench = bench.set_sampling(request.sampling).set_raw(request.raw)
        if request.hooks != bench.hooks:
            bench = bench.set_hooks(request.hooks, request.hook_file)
        app.change(bench)
        app.act("show_steer")
        app.say("prompt, recipe and sampling are as they were: r runs, u takes them back")

    def act_run(self) -> None:
        """Replay."""
        self.act_repeat()

    def act_repeat(self) -> None:
        """Replay exactly, live changes included; a sweep is shown and goes on, or runs once more."""
        self.with_record(self._repeat)

    def _repeat(self, record: RunRecord | SweepRecord) -> None:
        if isinstance(record, SweepRecord):
            return self._open_sweep(record)
        info = self.bench_app.status.info
        if info is not None and record.model.get("fingerprint") == info.fingerprint:
            return self._replay(record)
        self._offer_model(record)

    def _replay(self, record: RunRecord) -> None:
        app = self.bench_app
        app.act("show_steer")
        app.steer.start_run(record.request)
        changes = len(record.request.changes)
        app.say("replayed" + (f" with {changes} live change{'s' if changes > 1 else ''}" if changes else ""))

    def _offer_model(self, record: RunRecord) -> None:
        from steer_tui.tui.screens.question import Question

        app, ref = self.bench_app, record.entry.model
        if app.status.info is not None and app.status.info.ref == ref:
            app.say(f"{ref} has other weights now: the text may differ", "warning")
            return self._replay(record)

        def answered(yes: bool | None) -> None:
            if yes:
                self._waiting = record
                app.load_model(ref)

        app.push_screen(Question(f"This run was made by {ref}. Load it and replay?"), answered)

    # Marking

    def act_star(self) -> None:
        """Star the entry, or take the star away."""
        entry = self.entries.current
        if entry is not None:
            starred = replace(entry, starred=not entry.starred)
            file = self.file
            self._change(starred, lambda: file.star(entry, starred.starred))

    def act_write_note(self) -> None:
        """Write a note to the entry."""
        from steer_tui.tui.screens.note_form import NoteForm

        entry = self.entries.current
        if entry is None:
            return
        file = self.file

        def written(note: str | None) -> None:
            if note is not None and note != entry.note:
                changed = replace(entry, note=note)
                self._change(changed, lambda: file.annotate(entry, note))

        self.app.push_screen(NoteForm(entry.note), written)

    def _change(self, entry: HistoryEntry, work: Callable[[], None]) -> None:
        """Show an entry as it will be, so that the next key acts on that; then show what the journal has."""
        self.entries.replace(entry)
        self.read(work, lambda _: None)
        self.read_again()
        self.on_row_list_moved()

    def act_compare(self) -> None:
        """Mark the run; with one marked, compare the two."""
        if self.desk.facts.comparing:
            return self.bench_app.say("esc goes back to the list")
        self.with_record(self._compare)

    def _compare(self, record: RunRecord | SweepRecord) -> None:
        app = self.bench_app
        if not isinstance(record, RunRecord):
            return app.say("two runs can be compared; enter shows the grid of a sweep")
        marked = self._marked
        if marked is None or key_of(marked.entry) == key_of(record.entry):
            self._marked, self.entries.marked = record, key_of(record.entry)
            self.entries.refresh()
            return app.say("marked as A: c on another run compares the two")
        self._marked = None
        self.compare_with(marked, record)

    # Leaving with something

    def act_copy(self) -> None:
        """Copy the text of the run, or what the pane shows."""
        if self.desk.facts.comparing:
            pane = self.second if self.place == SECOND else self.first
            return self.bench_app.copy_text(pane.plain.strip(), "text")
        self.with_record(self._copy)

    def _copy(self, record: RunRecord | SweepRecord) -> None:
        app = self.bench_app
        if isinstance(record, RunRecord):
            text = record.request.recipe if self.place == ENTRIES else record.steered
            what = "recipe" if self.place == ENTRIES else "text"
            return app.copy_text(text, what) if text else app.say(f"no {what} to copy")
        app.copy_text(record.entry.best, "recipe") if record.entry.best else app.say("no best cell to copy")

    def act_export_history(self) -> None:
        """Write what the filter lets through to a file."""
        from steer_tui.tui.history_files import ENDINGS, write_history
        from steer_tui.tui.screens.file_form import FileForm

        app, file, filter = self.bench_app, self.file, self.entries.filter_text
        total = self.entries.total or 0

        def chosen(path: str | None) -> None:
            if path:
                in_background(self.app, partial(write_history, file, filter, path), lambda said: app.say(*said))

        what = f"{total:,} entr{'y' if total == 1 else 'ies'}"
        app.push_screen(FileForm("history.jsonl", ENDINGS, what), chosen)
