"""The Library screen: every vector on disk, and all that can be done with one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from steer_tui.session.library_messages import (
    CompareVectors,
    ConceptMade,
    CosinesMade,
    DescribeVector,
    FilesImported,
    ImportFiles,
    LibraryVerified,
    RemoveVectors,
    RestoreVectors,
    VectorExported,
    VerifyLibrary,
)
from steer_tui.session.messages import Event
from steer_tui.tui.actions import FOOTERS, Hint
from steer_tui.tui.new_concept import steer_with
from steer_tui.tui.screens.library_news import LibraryNews

if TYPE_CHECKING:
    from steer_tui.session.library_messages import CombineVectors, ExportVector, MakeVectors


class LibraryScreen(LibraryNews):
    """Vectors and details, with what keys do to them."""

    def hints(self) -> Sequence[Hint]:
        """Return the keys of the pane that has the keyboard."""
        if self.vectors.filtering:
            return FOOTERS["filter"]
        return FOOTERS["library marked" if self.vectors.marked else "library"]

    # One vector

    def act_open(self) -> None:
        """Steer with the vector under the cursor."""
        current = self.vectors.current
        if self.vectors.filtering:
            self.vectors.stop_filter(clear=False)
        elif current is not None:
            steer_with(self.bench_app, current.entry.name)

    def on_filter_pane_chosen(self) -> None:
        """Steer with the clicked vector."""
        self.bench_app.act("open")

    def act_copy(self) -> None:
        """Copy where the vector's file is."""
        current = self.vectors.current
        if current is None:
            return self.bench_app.say("nothing to copy yet")
        self.bench_app.copy_text(str(current.entry.path), "path")

    def act_library_edit(self) -> None:
        """Rename or describe the vector."""
        from steer_tui.tui.screens.vector_form import VectorForm

        current = self.vectors.current
        if current is not None:

            def answered(command: DescribeVector | None) -> None:
                if command is not None:
                    self.send(command)

            self.app.push_screen(VectorForm(current), answered)

    def act_library_remove(self) -> None:
        """Move the chosen vectors to the trash; those that are built in stay."""
        chosen = self.vectors.chosen
        own = tuple(line.entry for line in chosen if not line.entry.bundled)
        if not own:
            return self.bench_app.say("built in: it stays as it is", "warning")
        if len(own) < len(chosen):
            self.bench_app.say(f"{len(chosen) - len(own)} built in: they stay", "warning")
        self.send(RemoveVectors(own))

    def act_library_export(self) -> None:
        """Write the vector for another program."""
        from steer_tui.tui.screens.export_form import ExportForm

        current = self.vectors.current

        def answered(command: ExportVector | None) -> None:
            if command is not None:
                self.send(command)

        if current is not None:
            self.app.push_screen(ExportForm(current), answered)

    # Several

    def act_library_mark(self) -> None:
        """Mark the vector under the cursor."""
        self.vectors.mark()
        self.show_status()

    def act_library_mix(self) -> None:
        """Make a vector of the chosen ones."""
        from steer_tui.tui.screens.mix_form import MixForm

        def answered(command: CombineVectors | None) -> None:
            if command is not None:
                self.send(command)

        names = tuple(line.entry.name for line in self.vectors.all)
        self.app.push_screen(MixForm(self.vectors.chosen, names), answered)

    def act_library_map(self) -> None:
        """Compare the marked vectors."""
        self.send(CompareVectors(tuple(line.entry for line in self.vectors.chosen)))

    # The library

    def act_library_make(self) -> None:
        """Make vectors of concepts."""
        from steer_tui.tui.screens.make_form import MakeForm

        app = self.bench_app
        if app.status.running is not None:
            return app.say("esc stops the run; then vectors can be made", "warning")

        def answered(command: MakeVectors | None) -> None:
            if command is not None:
                self.send(command)

        self.app.push_screen(MakeForm(app.concepts), answered)

    def act_library_import(self) -> None:
        """Import a file."""
        from steer_tui.tui.screens.import_form import ImportForm

        def answered(command: ImportFiles | None) -> None:
            if command is not None:
                self._importing = command
                self.send(command)

        self.app.push_screen(ImportForm(), answered)

    _importing: ImportFiles | None = None
    """What was asked last, for when the file leaves a question open."""

    def act_library_verify(self) -> None:
        """Read every file."""
        self.send(VerifyLibrary())

    def act_library_trash(self) -> None:
        """Bring something back from the trash."""
        from steer_tui.tui.screens.trash_picker import TrashPicker

        def answered(command: RestoreVectors | None) -> None:
            if command is not None:
                self.send(command)

        self.app.push_screen(TrashPicker(self.trash, self.vectors.all), answered)

    def act_undo(self) -> None:
        """Take the last change of the library back."""
        if self.undo:
            change = self.undo.pop()
            for command in change.undo:
                self.send(command)
            self.show_status()

    def act_stop(self) -> None:
        """Leave one level: the filter, work on files, the marks, the zoom, then the screen."""
        app = self.bench_app
        if self.vectors.filtering or (self.place == "vectors" and self.vectors.filter_text):
            self.vectors.stop_filter(clear=True)
        elif self.working:
            app.engine.stop_run()
        elif self.vectors.marked:
            self.vectors.unmark()
        elif self._zoomed:
            self.act_zoom()
        elif self.place == "details":
            self.go_to("vectors")
        elif not app.stop_work():
            app.act("show_steer")

    # What came of it

    def take(self, event: Event) -> None:
        """Take in what became of the library, and show what is a dialog of its own."""
        super().take(event)
        match event:
            case ConceptMade(change=change) if change is not None:
                self.remember(change)
            case CosinesMade(cosines):
                from steer_tui.tui.screens.cosine_map import CosineDialog

                self.end_work()
                self.app.push_screen(CosineDialog(cosines))
            case LibraryVerified():
                self._verified(event)
            case FilesImported():
                self._imported(event)
            case VectorExported(result):
                notes = "".join(f"\n{note}" for note in result.notes)
                self.bench_app.say(f"{result.line}{notes}")

    def _verified(self, event: LibraryVerified) -> None:
        from steer_tui.tui.screens.report import PageDialog
        from steer_tui.tui.screens.verify_report import Findings

        self.end_work()
        report = event.report
        if event.is_stopped:
            self.bench_app.say(f"stopped after {report.checked} files")
        elif report.findings:
            self.app.push_screen(PageDialog(Findings(report)))
        else:
            self.bench_app.say(f"{report.checked} files read: all are as they should be")

    def _imported(self, event: FilesImported) -> None:
        from steer_tui.tui.screens.import_form import ImportQuestion

        app = self.bench_app
        asked, self._importing = self._importing, None
        for result in event.results:
            if result.question is not None and asked is not None:
                self._importing = asked
                self.app.push_screen(ImportQuestion(result, asked), partial(self._answered))
            elif result.error is not None:
                app.complain(result.line, result.hint)
            else:
                app.say("\n".join((result.line, *result.notes)))
        if event.change is not None:
            self.remember(event.change)

    def _answered(self, command: ImportFiles | None) -> None:
        if command is not None:
            self._importing = command
            self.send(command)
