"""Sweep: which layer, which strength? A grid that fills in, its front, and the texts behind each cell.

What keys do beside beginning and stopping; that is in `sweep_run`, the panes in `sweep_panes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.sweeptypes import MEASURES, Cell
from steer_tui.errors import SteerError
from steer_tui.session.state import Workbench
from steer_tui.tui.actions import FOOTERS, Hint
from steer_tui.tui.background import in_background
from steer_tui.tui.screens.sweep_move import SweepMoves
from steer_tui.tui.sweep_layout import BASELINE, CELL, FRONT, GRID, PANES, SETUP
from steer_tui.tui.sweep_words import details, measures_of
from steer_tui.tui.widgets.heatmap import HeatMap
from steer_tui.tui.widgets.sweep_setup import SweepSetup

BUDGETS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Steps of the KL budget, in nats."""


class SweepScreen(SweepMoves):
    """The second screen."""

    def on_mount(self) -> None:
        """Show what there is; offer a sweep that was cut off."""
        self.has_panes = True
        waits = "the model is loading" if self.bench_app.status.loading else "no model: m chooses one"
        self.setup.empty_note = waits
        self.map.empty_note = "r sweeps: every layer by every strength"
        self.front.empty_note = "concept against KL, once there are cells"
        self.cell.empty_note = "the text of the cell under the cursor"
        self.baseline.empty_note = "the same prompt, unsteered"
        self.set_focus(self.pane(GRID), scroll_visible=False)
        self.plan_if_due()
        self.show_all()
        self._follow_best()
        if self.board is None:
            self.look_for_unfinished()

    def on_screen_resume(self) -> None:
        """Catch up with Steer."""
        self.plan_if_due()
        super().on_screen_resume()

    def hints(self) -> Sequence[Hint]:
        """Return the keys of the pane that has the keyboard."""
        if self.setup.edit is not None:
            return FOOTERS["sweep field"]
        if self._is_busy and self.place in (GRID, FRONT):
            return FOOTERS["sweep sweeping"]
        return FOOTERS[f"sweep {self.place if self.place in PANES else GRID}"]

    def refusals(self) -> Mapping[str, str]:
        """Return why an action is not possible here now."""
        app = self.bench_app
        model = (
            "" if app.status.info else "the model is still loading" if app.status.loading else "no model: m chooses one"
        )
        busy = model or ("esc stops the sweep first" if self._is_busy else "")
        empty = "" if self.board is not None and self.board.done else "no cells yet: r sweeps"
        setup = "" if self.plan is not None else "the model comes first"
        return {
            **dict.fromkeys(("run", "run_new_seed", "auto"), busy or setup),
            "repeat": busy or empty,
            "refine": busy or empty,
            "plan_anew": busy,
            "export_sweep": empty,
            "go_to_best": empty,
            "next_page": "" if self.board is not None and len(self.board.pages) > 1 else "there is one grid",
            **dict.fromkeys(("next_operation", "next_scope", "write_prompt", "budget_up", "budget_down"), setup),
            **dict.fromkeys(("zoom", "filter"), ""),
        }

    # The set-up

    def on_sweep_setup_edited(self, event: SweepSetup.Edited) -> None:
        """Take in a field."""
        self.keep_plan(event.plan)

    def on_sweep_setup_editing_changed(self) -> None:
        """Show other keys."""
        self.show_status()

    def act_next_operation(self) -> None:
        """Sweep by the next operation."""
        if self.plan is not None:
            self.keep_plan(self.plan.next_operation())

    def act_next_scope(self) -> None:
        """Sweep with the next scope."""
        if self.plan is not None:
            self.keep_plan(self.plan.next_scope())

    def act_write_prompt(self) -> None:
        """Write the first prompt."""
        self.go_to(SETUP)
        self.setup.go_to_field("prompt")
        self.setup.start_edit()

    def act_plan_anew(self) -> None:
        """Set the sweep up from Steer."""
        self.plan_if_due(anew=True)

    # Looking

    def act_next_measure(self) -> None:
        """Colour by the next measure."""
        self._measure_by(1)

    def act_previous_measure(self) -> None:
        """Colour by the measure before."""
        self._measure_by(-1)

    def _measure_by(self, step: int) -> None:
        there = measures_of(self.board) if self.board is not None and self.board.done else MEASURES
        at = there.index(self.measure) if self.measure in there else 0
        self.measure = there[(at + step) % len(there)]
        self.show_grid()

    def act_view(self) -> None:
        """Go from the grid to the front, and back."""
        self.go_to(GRID if self.place == FRONT else FRONT)

    def act_next_page(self) -> None:
        """Show the next grid."""
        if self.board is not None:
            self.page = (self.page + 1) % len(self.board.pages)
            self.show_grid()

    def act_go_to_best(self) -> None:
        """Put the cursor on the best cell, and let it follow."""
        self.follows_best = True
        page = self.map.current_page
        if self.board is not None and page is not None and self.board.best(page.grid) is None:
            return self.bench_app.say("no cell within the KL budget: > widens it")
        self._follow_best()

    def act_budget_down(self) -> None:
        """Allow less KL."""
        self._budget(max((step for step in BUDGETS if step < self._kl), default=BUDGETS[0]))

    def act_budget_up(self) -> None:
        """Allow more KL."""
        self._budget(min((step for step in BUDGETS if step > self._kl), default=BUDGETS[-1]))

    @property
    def _kl(self) -> float:
        return self.plan.request.kl_budget if self.plan is not None else 1.0

    def _budget(self, kl_budget: float) -> None:
        if self.plan is not None:
            self.keep_plan(self.plan.with_budget(kl_budget))
            if self.follows_best:
                self._follow_best()

    # Leaving with something

    def act_open(self) -> None:
        """Edit the field, or put the cell into the recipe on Steer."""
        if self.place == SETUP:
            return self.setup.start_edit()
        app, cell = self.bench_app, self.current
        if cell is None:
            return app.say("not run yet: r sweeps" if self.board is None else "this cell is not there yet")
        if cell.problem is not None:
            return app.say("this cell broke the model: choose another one", "warning")
        before = app.bench
        app.change(_with_cell(app.bench, cell))
        app.act("show_steer")
        undo = "; u takes it back" if app.bench is not before else ""
        app.say(f"the recipe is {app.bench.recipe_text}: r runs it{undo}")

    def on_heat_map_chosen(self, event: HeatMap.Chosen) -> None:
        """Apply the clicked cell."""
        self.act_open()

    def act_copy(self) -> None:
        """Copy the cell, a text, or the command that repeats the sweep."""
        app, cell = self.bench_app, self.current
        if self.place in (CELL, BASELINE):
            pane = self.cell if self.place == CELL else self.baseline
            return app.copy_text(pane.plain, "text") if pane.plain else app.say("no text yet: r sweeps")
        if self.place == SETUP:
            if self.board is None:
                return app.say("no sweep to repeat yet: r sweeps")
            from steer_tui.engine.sweepexport import command_of

            return app.copy_text(command_of(self.board.result()), "command")
        app.copy_text(_as_text(cell), "cell") if cell is not None else app.say("no cell here yet")

    def act_export_sweep(self) -> None:
        """Write the sweep to a file."""
        from steer_tui.tui.screens.file_form import FileForm
        from steer_tui.tui.sweep_files import ENDINGS, write_sweep

        app, board = self.bench_app, self.board
        if board is None:
            return
        name = "+".join(board.request.concepts) if board.request.mix else "-".join(board.request.concepts)
        result = board.result()

        def chosen(path: str | None) -> None:
            if path:
                in_background(self.app, partial(write_sweep, result, path), lambda said: app.say(*said))

        app.push_screen(FileForm(f"sweep-{name}.md", ENDINGS), chosen)

    def act_stop(self) -> None:
        """Leave one level: a field, the sweep that runs, the zoom, the screen."""
        if self.setup.edit is not None:
            self.setup.stop_edit(keep=False)
        elif self._is_busy:
            self.bench_app.engine.stop_run()
        elif self.desk.facts.zoomed:
            self.act_zoom()
        elif not self.bench_app.stop_work():
            self.bench_app.act("show_steer")


def _with_cell(bench: Workbench, cell: Cell) -> Workbench:
    """Return the session with a cell's terms in place of those of its concepts; other terms stay."""
    terms = parse_recipe(cell.recipe).terms
    names = {term.name for term in terms}
    at = next((index for index, term in enumerate(bench.terms) if term.name in names), len(bench.terms))
    before = [term for term in bench.terms[:at] if term.name not in names]
    after = [term for term in bench.terms[at:] if term.name not in names]
    try:
        changed = bench.set_recipe(",".join(map(str, (*before, *terms, *after))))
    except SteerError:  # a recipe that the engine wrote is one
        return bench
    return changed.select_name(terms[0].name) if terms else changed


def _as_text(cell: Cell) -> str:
    """Return a cell as a person would write it down."""
    figures = ", ".join(f"{name} {value}" for name, value in details(cell))
    return "\n".join([cell.recipe or "unsteered", figures, *(text.text.strip() for text in cell.texts)])
