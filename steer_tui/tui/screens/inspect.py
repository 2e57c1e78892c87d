"""Inspect: every point of the model, what is watched and attached there, and the text with and without it.

What is shown, and when; what keys do is in `inspect_panes`, `inspect_hooks`, `inspect_values`, `inspect_file`,
`inspect_run` and `inspect_points`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from steer_tui.engine.hookline import format_hook
from steer_tui.session.hook_messages import (
    HookFileFailed,
    HookFileLoaded,
    HooksChecked,
    PointsFailed,
    PointsListed,
)
from steer_tui.session.messages import (
    Event,
    ModelLoaded,
    RecipeRefused,
    RunFailed,
    RunFinished,
    RunStarted,
    RunSteps,
    VectorsChanged,
)
from steer_tui.session.state import Workbench
from steer_tui.session.sweep_messages import SweepFailed, SweepFinished
from steer_tui.tui.actions import FOOTERS, Hint
from steer_tui.tui.inspect_layout import ATTACHED, POINTS, WATCH
from steer_tui.tui.screens.inspect_file import LOOK
from steer_tui.tui.screens.inspect_points import PointActions
from steer_tui.tui.widgets.hook_list import HookList

PAUSE_REMOTE = 0.3
"""Seconds between two drawings of the statistics over SSH."""


class InspectScreen(PointActions):
    """The screen of hook points."""

    def on_mount(self) -> None:
        """Show the session; ask for the points of the model."""
        self._found = {}
        self.attached.judge = self.judge
        if os.environ.get("SSH_CONNECTION"):
            self.watch_list.pause = PAUSE_REMOTE
        steer = self.bench_app.steer
        for pane, other in ((self.hooked, steer.steered), (self.unhooked, steer.baseline)):
            pane.take_from(other)
        self.shown_run = steer.shown_run
        self.ask_for_points()
        self.show_hooks()
        self.set_focus(self.points, scroll_visible=False)
        self.set_interval(LOOK, self.look_at_file)

    def on_screen_resume(self) -> None:
        """Catch up with what was done on other screens."""
        if self.is_mounted:
            self.show_hooks()

    def show_bench(self, before: Workbench | None = None) -> None:
        """Show hooks and layout as they are now."""
        bench = self.bench_app.bench
        is_same = before is not None and (before.hooks, before.hook_file) == (bench.hooks, bench.hook_file)
        if is_same:
            self.show_layout()
            self.show_status()
        else:
            self.show_hooks()

    def file_changed(self) -> None:
        """Show the hooks anew: another file, or another version of it, is loaded."""
        self._found = {}
        self.show_hooks()
        self.check_hooks()

    # Keys

    def hints(self) -> Sequence[Hint]:
        """Return the keys of the pane that has the keyboard; of a run while one streams."""
        if self.points.filtering:
            return FOOTERS["filter"]
        if self.attached.editing is not None:
            return FOOTERS["inspect value"]
        if self.bench_app.status.running is not None:
            return FOOTERS["inspect streaming"]
        return FOOTERS[f"inspect {self.place if self.place in (POINTS, WATCH, ATTACHED) else 'text'}"]

    def refusals(self) -> Mapping[str, str]:
        """Return why actions are not possible here now."""
        app = self.bench_app
        status = app.status
        model = "" if status.info else "the model is still loading" if status.loading else "no model yet: m chooses one"
        run = model or ("vectors are being made" if status.extracting else "")
        points = "" if self.points.tree_of.points else model or self.points.empty_note
        hooks = bool(app.bench.hooks)
        number = "" if self.numbers(watches=False) else "no hook yet: c on a point puts one on it"
        block = "" if hooks else "nothing to move: c puts a hook on a point, space watches one"
        free = (
            "baseline",
            "filter",
            "write_prompt",
            "zoom",
            "raw",
            "temperature",
            "top_p",
            "top_k",
            "max_tokens",
            "seed",
        )
        return {
            **dict.fromkeys(free, ""),
            **dict.fromkeys(("run", "run_new_seed"), run),
            "repeat": run or ("" if app.last_request else "nothing to repeat: r runs"),
            "undo": "" if app.bench.can_undo else "nothing to undo",
            **dict.fromkeys(("watch", "put_hook"), points if self.place == POINTS else ""),
            **dict.fromkeys(("weaker", "stronger", "weaker_fine", "stronger_fine", "zero"), number),
            **dict.fromkeys(("layers_down", "layers_up"), block),
            "remove_hook": "" if hooks else "nothing to remove",
        }

    def act_open(self) -> None:
        """Do what enter means here: fold, put a hook on, write a value, zoom."""
        if self.place == POINTS:
            self._open_point()
        elif self.place != ATTACHED or not self.attached.hooks:
            self.act_zoom()
        elif self.attached.parameter is not None:
            self.open_value()
        elif self.attached.opened == self.attached.place.hook:
            self.attached.close()
        else:
            self.attached.open(self.attached.place.hook, at_first=True)

    def _open_point(self) -> None:
        """Fold or unfold; on a point, show its first hook, or put one on."""
        row = self.points.row
        if row is not None and row.folder and not self.points.filter_text:
            if not self.points.unfold():
                self.points.fold()
            return
        name = self.points.current.name if self.points.current else ""
        there = [place for place, spec in enumerate(self.attached.hooks) if spec.point == name]
        if there:
            self.go_to(ATTACHED)
            self.attached.open(there[0], at_first=True)
        else:
            self.bench_app.act("put_hook")

    def act_stop(self) -> None:
        """Leave one level: a value, the filter, a run, parameters, the zoom; else go home."""
        app = self.bench_app
        if self.attached.editing is not None:
            self.attached.stop_editing()
        elif self.points.filtering or (self.place == POINTS and self.points.filter_text):
            self.points.stop_filter(clear=True)
        elif app.status.running is not None or self.is_loading_file:
            app.engine.stop_run()
        elif self.place == ATTACHED and self.attached.close():
            pass
        elif self.desk.facts.zoomed:
            self.act_zoom()
        elif not app.stop_work():
            app.act("show_steer")

    def act_undo(self) -> None:
        """Undo the last change."""
        app = self.bench_app
        before = app.bench.hooks
        app.change(app.bench.undo())
        if app.bench.hooks == before:
            app.say("undone: a change of recipe or prompt, which Steer shows")
        self.check_hooks()

    def act_copy(self) -> None:
        """Copy what the pane holds: a text, a point's name, a hook as the line that `--hook` takes."""
        app = self.bench_app
        pane = self.focused
        if pane in (self.hooked, self.unhooked):
            text = self.hooked.plain if pane is self.hooked else self.unhooked.plain
            app.copy_text(text, "text") if text else app.say("no text yet: r runs")
        elif self.place == ATTACHED and self.attached.current is not None:
            app.copy_text(format_hook(self.attached.current), "hook")
        elif self.point is not None:
            app.copy_text(self.point.name, "point")
        else:
            app.say("nothing to copy yet")

    # What the panes say

    def on_filter_pane_chosen(self) -> None:
        """Do what enter does."""
        self.act_open()

    def on_row_list_moved(self) -> None:
        """Let the bottom line follow."""
        self.show_status()

    def on_hook_list_moved(self, event: HookList.Moved) -> None:
        """Give the opened hook room, and let the bottom line follow."""
        self.show_layout()
        self.show_status()

    def on_hook_list_editing_changed(self, event: HookList.EditingChanged) -> None:
        """Show other keys while a value is written."""
        self.show_status()

    # What the engine says

    def take(self, event: Event) -> None:
        """Take in what the engine did."""
        if not self.is_mounted:
            return
        match event:
            case PointsListed():
                self.points_listed(event)
            case PointsFailed(message, hint):
                self.points.empty_note = message
                self.points.refresh()
                self.bench_app.complain(message, hint)
            case ModelLoaded():
                self.points.show((), 0)
                self._found, self.lacks_points = {}, False
                self.ask_for_points()
            case VectorsChanged():
                self.show_hooks()
            case HooksChecked():
                self.hooks_checked(event)
            case HookFileLoaded():
                self.file_loaded(event)
            case HookFileFailed():
                self.file_failed(event)
            case _:
                self._take_run(event)

    def _take_run(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.run_started(event)
            case RunSteps():
                self.run_steps(event)
            case RunFinished():
                self.run_finished(event)
                self.ask_again()
            case RunFailed():
                self.run_failed(event)
                self.ask_again()
            case RecipeRefused():
                self.refused(event)
            case SweepFinished() | SweepFailed():
                self.ask_again()
