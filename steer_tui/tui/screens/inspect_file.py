"""Own hooks from a Python file on Inspect: run when the person names it, loaded again when it has been saved.

Promises that an error is shown with its line and changes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from steer_tui.engine.hookvalues import FILE, HookSpec
from steer_tui.files import expanded
from steer_tui.session import hook_edits as edit
from steer_tui.session.hook_messages import HookFileFailed, HookFileLoaded, LoadHookFile, OwnHookInfo
from steer_tui.session.hook_work import stamp_of
from steer_tui.tui.screens.inspect_panes import InspectPanes

LOOK = 1.0
"""Seconds between two looks whether the file was saved."""
PATIENCE = 3
"""Looks after which a file that is still being run is told of."""


class FileActions(InspectPanes):
    """The file that is loaded, and its actions."""

    own: tuple[OwnHookInfo, ...] = ()
    """The hooks that the loaded file defines."""
    file_error = ""
    """Why the newest version of the session's file cannot be used; empty where it can."""
    is_loading_file = False
    """Whether a file is being run."""
    _looks = 0
    """How often it was looked at since."""
    _path = ""
    """The file that was loaded since the start; empty before."""
    _stamp: tuple[int, int] | None = None
    """What the file looked like when it was last read, or tried."""
    _waiting: HookSpec | None = None
    """An own hook that is switched on as soon as its file is loaded."""

    @property
    def own_names(self) -> frozenset[str]:
        """Names of the hooks of the session's file, as far as it was loaded since the start."""
        return frozenset(own.name for own in self.own) if self.has_loaded else frozenset()

    @property
    def has_loaded(self) -> bool:
        """Whether the session's file of own hooks was loaded since the start."""
        return bool(self._path) and self._path == self.bench_app.bench.hook_file

    def act_hook_file(self) -> None:
        """Ask for a file, and load it."""
        from steer_tui.tui.screens.hook_file_dialog import HookFileDialog

        def chosen(path: str | None) -> None:
            if path:
                self._load(path)

        self.bench_app.push_screen(HookFileDialog(self.bench_app.bench.hook_file), chosen)

    def ask_for_file(self, spec: HookSpec) -> None:
        """Ask before a file that an earlier session named is run, then switch the hook on."""
        from steer_tui.tui.screens.question import Question

        path = self.bench_app.bench.hook_file
        if path is None:
            return self.bench_app.say("its file is not known: f loads one")

        def answered(yes: bool | None) -> None:
            if yes:
                self._waiting = spec
                self._load(path)

        self.bench_app.push_screen(Question(f"Run {path}? It may do all that Python may."), answered)

    def _load(self, path: str) -> None:
        full = str(expanded(path).absolute()) if "\0" not in path else path
        self._send(LoadHookFile(full))

    def _send(self, command: LoadHookFile) -> None:
        if command.path == self._path:
            with suppress(OSError, ValueError):
                self._stamp = stamp_of(Path(self._path))  # this version is not tried again, whatever comes of it
        self.bench_app.engine.send(command)
        self.is_loading_file, self._looks = True, 0

    def look_at_file(self) -> None:
        """Load the file again if it was saved; a text that streams takes the new version at its next token."""
        if self.is_loading_file:
            self._looks += 1
            if self._looks == PATIENCE and self.bench_app.status.running is None:
                self.bench_app.say("the file of hooks is still being run: esc stops it")
            return
        if not self.has_loaded:
            return
        try:
            stamp = stamp_of(Path(self._path))
        except (OSError, ValueError):
            return  # an editor may take it away for a moment; a run says it if it stays away
        if stamp == self._stamp:
            return
        app = self.bench_app
        if app.status.running is not None and app.bench.needed_hook_file:
            app.engine.change_hooks(app.bench.hooks, app.bench.needed_hook_file)
        self._send(LoadHookFile(self._path, is_reload=True))

    def file_loaded(self, event: HookFileLoaded) -> None:
        """Take in what a file defines; what it places itself is attached when it is first loaded.

        Hooks of another file come off: one file is loaded at a time, and a name may mean something else in this one.
        """
        self.is_loading_file, self.file_error = False, ""
        app = self.bench_app
        if event.is_reload and event.path != self._path:
            return  # another file was named meanwhile
        self.own, self._path, self._stamp = event.hooks, event.path, event.stamp
        before = app.bench.hook_file
        if event.is_reload and before != event.path:
            return  # undo brought the file before back meanwhile
        hooks = app.bench.hooks
        if before not in (None, event.path):
            hooks = tuple(spec for spec in hooks if spec.kind != FILE)
        lost = len(app.bench.hooks) - len(hooks)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            hooks = tuple(replace(spec, enabled=True) if spec == waiting else spec for spec in hooks)
        elif not event.is_reload:
            placed = (HookSpec(point, FILE, (("name", own.name),)) for own in event.hooks for point in own.points)
            there = {(spec.point, spec.values) for spec in hooks if spec.kind == FILE}
            hooks = edit.add(hooks, *(spec for spec in placed if (spec.point, spec.values) not in there))
        added = len(hooks) - len(app.bench.hooks) + lost
        app.change(app.bench.set_hooks(hooks, event.path))
        self.file_changed()
        name, count = Path(event.path).name, len(event.hooks)
        words = f"{name}: {count} hook{'s' if count > 1 else ''}"
        more = f", {added} put on" if added else "" if event.is_reload else "; c on a point puts one on"
        more += f", {lost} of {Path(before).name} taken off: u undoes" if lost and before is not None else ""
        app.say(f"{words} loaded again" if event.is_reload else f"{words}{more}")

    def file_failed(self, event: HookFileFailed) -> None:
        """Say why a file cannot be loaded; what was loaded before stays."""
        self._waiting, self.is_loading_file = None, False
        if self.has_loaded and event.path == self._path:
            self.file_error = event.message
            self.file_changed()
        self.bench_app.complain(event.message, event.hint)

    def file_changed(self) -> None:
        """Show the hooks anew: another file, or another version of it, is loaded."""
        raise NotImplementedError
