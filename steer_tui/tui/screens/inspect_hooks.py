"""What keys do to hooks on Inspect: each makes a new session state, and the running text follows at its next token."""

from __future__ import annotations

from typing import Any

from steer_tui.engine.hookkinds import Parameter, find_kind
from steer_tui.engine.hookvalues import FILE, HookSpec, PointInfo
from steer_tui.session import hook_edits as edit
from steer_tui.session.hook_messages import CheckHooks, HooksChecked
from steer_tui.tui.inspect_layout import ATTACHED, POINTS, WATCH
from steer_tui.tui.screens.inspect_file import FileActions
from steer_tui.tui.widgets.hook_list import Place

BOTH = (0, 1)
"""Rows that a watch reads: with hooks and without."""


class HookActions(FileActions):
    """Actions on points, watches and what is attached."""

    _found: dict[HookSpec, str]
    """What only the engine could tell to be wrong."""

    # What there is

    def numbers(self, *, watches: bool) -> list[int]:
        """Return the places in the session's list of all watches, or of all other hooks."""
        return [index for index, spec in enumerate(self.bench_app.bench.hooks) if edit.is_watch(spec) == watches]

    @property
    def chosen(self) -> int | None:
        """The place in the session's list of the hook that keys act on; None where there is none."""
        in_watch = self.place == WATCH
        places = self.numbers(watches=in_watch)
        at = self.watch_list.cursor if in_watch else self.attached.place.hook
        return places[at] if at < len(places) else None

    @property
    def point(self) -> PointInfo | None:
        """The point that a new hook would be put on."""
        known = self.points.tree_of.points
        if self.place == WATCH and self.watch_list.current is not None:
            return known.get(self.watch_list.current.point)
        if self.place == ATTACHED and self.attached.current is not None:
            return known.get(self.attached.current.point)
        return self.points.current

    def show_hooks(self) -> None:
        """Show what is watched and attached, with what is wrong."""
        hooks = self.bench_app.bench.hooks
        others = [spec for spec in hooks if not edit.is_watch(spec)]
        watches = [spec for spec in hooks if edit.is_watch(spec)]
        self.watch_list.show(watches)
        self.attached.show(others, self.problems(others))
        counts: dict[str, int] = {}
        for spec in others:
            counts[spec.point] = counts.get(spec.point, 0) + 1
        self.points.mark(frozenset(spec.point for spec in watches), counts)
        self.show_layout()
        self.show_status()

    def show_layout(self) -> None:
        """Arrange the panes by what there is to show."""
        raise NotImplementedError

    def problems(self, specs: list[HookSpec]) -> dict[HookSpec, str]:
        """Return what is wrong with hooks, as far as it can be told."""
        vectors = {name for name, item in self.bench_app.known.items() if not item.problem}
        found: dict[HookSpec, str] = {}
        for spec in specs:
            wrong = edit.problem_of(spec, self.points.tree_of.points, vectors, self.own_names)
            if spec.kind == FILE and not wrong:
                wrong = self.file_error
            if wrong or spec in self._found:
                found[spec] = wrong or self._found[spec]
        return found

    def judge(self, spec: HookSpec, parameter: Parameter, value: Any) -> str:
        """Return why a hook cannot have a value; empty where nothing is seen."""
        if parameter.form == "vector" and value not in self.bench_app.known:
            return f"no vector {value!r}"
        if parameter.name == "prompt" and not str(value).strip():
            return "write the prompt to take the activation from"
        return edit.wrong_value(spec, parameter, value, self.points.tree_of.points.get(spec.point))

    def put_hooks(self, hooks: edit.Hooks) -> None:
        """Put other hooks in force; where no text streams that would tell, the engine tries them out."""
        app = self.bench_app
        if hooks == app.bench.hooks:
            return
        app.change(app.bench.set_hooks(hooks))
        self.check_hooks()

    def check_hooks(self) -> None:
        """Ask the engine which hooks cannot be made."""
        app = self.bench_app
        specs = tuple(spec for spec in app.bench.hooks if spec.enabled and not edit.is_watch(spec))
        if specs and app.status.running is None and app.status.info is not None:
            app.engine.send(CheckHooks(specs, app.bench.hook_file))

    def hooks_checked(self, event: HooksChecked) -> None:
        """Show what the engine found."""
        kept = {spec: words for spec, words in self._found.items() if spec not in event.specs}
        self._found = kept | dict(event.problems)
        self.show_hooks()

    def blame(self, message: str) -> None:
        """Mark the hooks that an error names."""
        for spec in self.bench_app.bench.hooks:
            names_it = f"hook {spec.title}:" in message
            if names_it or (spec.enabled and not edit.is_watch(spec) and f"at {spec.point} failed" in message):
                self._found = self._found | {spec: message}
        self.show_hooks()

    # Watching and attaching

    def act_watch(self) -> None:
        """Watch the point under the cursor, or no longer; in a list, switch the hook."""
        if self.place != POINTS:
            return self._switch()
        point = self.points.current
        if point is None:
            return self._say_pick()
        if not point.available:
            return self.bench_app.say(f"{point.name} is not here: {point.reason}")
        before = self.bench_app.bench.hooks
        hooks = edit.toggle_watch(before, point.name, BOTH)
        self.put_hooks(hooks)
        if len(hooks) > len(before):
            self.watch_list.move_to(hooks[-1])
            self.reveal(WATCH)

    def _switch(self) -> None:
        if self.chosen is None:
            return self.bench_app.say("nothing to switch: c on a point puts a hook on it")
        spec = self.bench_app.bench.hooks[self.chosen]
        if spec.kind == FILE and not spec.enabled and not self.has_loaded:
            return self.ask_for_file(spec)
        self.put_hooks(edit.switch(self.bench_app.bench.hooks, self.chosen))

    def _say_pick(self) -> None:
        self.bench_app.say("that is a folder: enter opens it" if self.points.row else "the points are not listed yet")

    def act_put_hook(self) -> None:
        """Choose what to put on the point."""
        from steer_tui.tui.screens.hook_picker import HookPicker

        app, point = self.bench_app, self.point
        if point is None:
            return self._say_pick()
        if not point.available:
            return app.say(f"{point.name} is not here: {point.reason}")
        has_vectors = any(item.has_vector and not item.problem for item in app.known.values())

        def chosen(answer: str | None) -> None:
            if answer:
                self._put_on(point.name, answer)

        app.push_screen(HookPicker(point, self.own, has_vectors=has_vectors), chosen)

    def _put_on(self, point: str, answer: str) -> None:
        """Put a hook on, and show its parameters."""
        kind, _, name = answer.partition(":")
        if kind == FILE:
            spec = HookSpec(point, FILE, (("name", name),))
        else:
            spec = edit.new_hook(point, find_kind(kind), self._first_vector())
        self.put_hooks(edit.add(self.bench_app.bench.hooks, spec))
        self.go_to(ATTACHED)
        self.attached.open(len(self.attached.hooks) - 1, at_first=True)
        parameter = self.attached.parameter
        if parameter is not None and parameter.form == "text":
            self.attached.start_editing()

    def _first_vector(self) -> str:
        """Return the vector that a new hook begins with: the selected concept's, else any."""
        app = self.bench_app
        ready = [name for name, item in app.known.items() if item.has_vector and not item.problem]
        term = app.bench.selected_term
        return term.name if term is not None and term.name in ready else next(iter(ready), "")

    def act_remove_hook(self) -> None:
        """Take off the hook under the cursor; on a point, its last one."""
        hooks, index = self.bench_app.bench.hooks, self.chosen
        if self.place == POINTS:
            name = self.points.current.name if self.points.current else ""
            on_it = [place for place, spec in enumerate(hooks) if spec.point == name]
            index = max(on_it, key=lambda place: (not edit.is_watch(hooks[place]), place), default=None)
        if index is None:
            return self.bench_app.say("nothing to remove here")
        spec = hooks[index]
        self.put_hooks(edit.remove(hooks, index))
        self.bench_app.say(f"{spec.title} removed: u brings it back")

    def act_hook_earlier(self) -> None:
        """Let the hook change places with the one before it."""
        self._order(-1)

    def act_hook_later(self) -> None:
        """Let the hook change places with the one after it."""
        self._order(1)

    def _order(self, step: int) -> None:
        in_watch = self.place == WATCH
        places = self.numbers(watches=in_watch)
        at = self.watch_list.cursor if in_watch else self.attached.place.hook
        if not (0 <= at < len(places) and 0 <= at + step < len(places)):
            return
        opened = self.attached.opened
        self.put_hooks(edit.swap(self.bench_app.bench.hooks, places[at], places[at + step]))
        if in_watch:
            self.watch_list.move(step)
        elif opened == at:
            self.attached.open(at + step)
        else:
            self.attached.go(Place(at + step))
