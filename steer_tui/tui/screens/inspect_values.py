"""Numbers, blocks and values of hooks on Inspect: moved by keys, written in place, chosen from a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steer_tui.engine.hookkinds import Parameter
from steer_tui.engine.hookvalues import HookSpec
from steer_tui.session import hook_edits as edit
from steer_tui.tui.screens.inspect_hooks import HookActions
from steer_tui.tui.widgets.hook_list import HookList

STEP, FINE = 0.5, 0.1


class ValueActions(HookActions):
    """Actions on one number of one hook, and on where it sits."""

    # Numbers and blocks

    def act_weaker(self) -> None:
        """Lower the number by a step."""
        self._nudge(-STEP)

    def act_stronger(self) -> None:
        """Raise the number by a step."""
        self._nudge(STEP)

    def act_weaker_fine(self) -> None:
        """Lower the number a little."""
        self._nudge(-FINE)

    def act_stronger_fine(self) -> None:
        """Raise the number a little."""
        self._nudge(FINE)

    def act_zero(self) -> None:
        """Set the number to zero."""
        self._number(lambda spec, parameter: edit.at_number(spec, parameter, 0.0))

    def _nudge(self, delta: float) -> None:
        def change(spec: HookSpec, parameter: Parameter) -> HookSpec:
            step = (1 if delta > 0 else -1) if parameter.form == "count" else delta
            return edit.nudged(spec, parameter, step)

        self._number(change)

    def _number(self, change: Callable[[HookSpec, Parameter], HookSpec]) -> None:
        """Change the number under the cursor, else the one that says how much."""
        places = self.numbers(watches=False)
        at = self.attached.place.hook
        if at >= len(places):
            return self.bench_app.say("no hook yet: c on a point puts one on it")
        spec = self.bench_app.bench.hooks[places[at]]
        parameter = self.attached.parameter
        if parameter is None or parameter.form not in ("number", "bound", "count"):
            parameter = edit.main_number(spec)
        if parameter is None:
            return self.bench_app.say("no number of it says how much: enter shows its parameters")
        changed = change(spec, parameter)
        value = edit.value_of(changed, parameter)
        wrong = edit.wrong_value(spec, parameter, value, self.points.tree_of.points.get(spec.point))
        if wrong:
            return self.bench_app.say(wrong, "warning")
        self.put_hooks(edit.put(self.bench_app.bench.hooks, places[at], changed))

    def act_layers_down(self) -> None:
        """Move the hook or watch to the same point one block down."""
        self._block(-1)

    def act_layers_up(self) -> None:
        """Move the hook or watch to the same point one block up."""
        self._block(1)

    def _block(self, step: int) -> None:
        if self.chosen is None:
            return self.bench_app.say("nothing to move: c puts a hook on a point, space watches one")
        hooks = self.bench_app.bench.hooks
        spec, known = hooks[self.chosen], self.points.tree_of.points
        moved = edit.with_point(spec, edit.at_block(spec.point, step, known))
        if moved.point == spec.point:
            return self.bench_app.say("there is no such block")
        is_there = edit.is_watch(spec) and any(edit.is_watch(one) and one.point == moved.point for one in hooks)
        if is_there:
            return self.bench_app.say(f"{moved.point} is watched already")
        self.put_hooks(edit.put(hooks, self.chosen, moved))
        self.points.move_to(moved.point)

    # What the list asks for

    def on_hook_list_edited(self, event: HookList.Edited) -> None:
        """Put the written value in force."""
        self.set_value(event.index, event.parameter, event.value)

    def set_value(self, index: int, parameter: Parameter, value: Any) -> None:
        """Set a parameter of the hook at a place of the list of what is attached."""
        places = self.numbers(watches=False)
        if index < len(places):
            hooks = self.bench_app.bench.hooks
            changed = edit.with_value(hooks[places[index]], parameter, value)
            self.put_hooks(edit.put(hooks, places[index], changed))

    def open_value(self) -> None:
        """Begin to write the parameter under the cursor, walk to its next choice, or choose its vector."""
        spec, parameter = self.attached.current, self.attached.parameter
        if spec is None or parameter is None:
            return
        index, value = self.attached.place.hook, edit.value_of(spec, parameter)
        if parameter.choices:
            at = parameter.choices.index(value) if value in parameter.choices else -1
            return self.set_value(index, parameter, parameter.choices[(at + 1) % len(parameter.choices)])
        if parameter.form != "vector":
            return self.attached.start_editing()
        from steer_tui.tui.screens.hook_picker import VectorPicker

        def chosen(name: str | None) -> None:
            if name:
                self.set_value(index, parameter, name)

        self.bench_app.push_screen(VectorPicker(self.bench_app.concepts, str(value)), chosen)
