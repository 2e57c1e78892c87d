"""The points that Inspect shows: when they are asked for, and what stands in their place until they are there."""

from __future__ import annotations

from steer_tui.session.hook_messages import ListPoints, PointsListed
from steer_tui.tui.screens.inspect_run import RunActions


class PointActions(RunActions):
    """Asks for the points of the model in use."""

    lacks_points = False
    """Whether the points shown are those that could be told while a text streamed."""

    def ask_for_points(self) -> None:
        """Ask the engine for the points of the model in use."""
        app = self.bench_app
        if app.status.info is not None:
            app.engine.send(ListPoints())
        self.show_notes()

    def show_notes(self) -> None:
        """Say in empty panes what to press next."""
        status = self.bench_app.status
        if status.info is None:
            self.points.empty_note = "the model is loading" if status.loading else "no model: m chooses one"
        elif status.running is not None or status.sweeping:
            self.points.empty_note = "the points come with the next token"
        else:
            self.points.empty_note = "listing the points"
        self.hooked.empty_note = "r runs the prompt with recipe and hooks; i writes the prompt"
        self.unhooked.empty_note = "the same prompt without recipe and hooks"
        for pane in (self.points, self.hooked, self.unhooked):
            pane.refresh()

    def points_listed(self, event: PointsListed) -> None:
        """Show the points; those that could not be told while a text streamed are asked for when it has ended."""
        info = self.bench_app.status.info
        if info is None or info.fingerprint != event.fingerprint:
            return
        if self.lacks_points:
            self.points.complete(event.points)
        else:
            self.points.show(event.points, self._block_to_open(info.layers))
        self.lacks_points = not event.is_whole
        self.show_hooks()

    def ask_again(self) -> None:
        """Ask for the points that could not be told while the text streamed."""
        if self.lacks_points and self.bench_app.status.running is None:
            self.bench_app.engine.send(ListPoints())

    def _block_to_open(self, layers: int) -> int:
        """Return the block that the recipe steers, else the middle one."""
        term = self.bench_app.bench.selected_term
        touched = self.bench_app.layers_of(term) if term is not None else set()
        return min(touched, default=layers // 2)
