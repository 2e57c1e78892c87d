"""What keys do to the recipe: each makes a new session state, and the running text follows at its next token."""

from __future__ import annotations

from steer_tui.tui.layout import CONCEPTS
from steer_tui.tui.screens.steer_panes import SteerPanes
from steer_tui.tui.widgets.concepts import Concepts
from steer_tui.tui.widgets.recipe import Recipe

STEP, FINE = 0.5, 0.1


class RecipeActions(SteerPanes):
    """Actions on the selected term and on the concept under the cursor."""

    def act_toggle(self) -> None:
        """Switch the concept under the cursor; in the other panes, the one of the selected term."""
        current = self.concepts.current
        if self.place != CONCEPTS and self.bench_app.bench.selected_term:
            self.toggle(self.bench_app.bench.selected_term.name)
        elif current is not None:
            self.toggle(current.name)

    def toggle(self, name: str) -> None:
        """Switch one concept on or off; make its vector first where there is none."""
        app = self.bench_app
        item = app.known.get(name)
        if any(term.name == name for term in app.bench.terms):
            app.change(app.bench.toggle(name))
        elif item is None or item.problem:
            app.say((item.problem or "cannot be used") if item else f"{name} has no vector for this model", "warning")
        elif not item.has_vector:
            self.make_vectors(name)
        else:
            app.change(app.bench.toggle(name, item.default_recipe))
            self.concepts.move_to(name)
            if item.warning:
                app.say(f"{name}: {item.warning}", "warning")

    def act_extract(self) -> None:
        """Make every vector that the model lacks."""
        self.make_vectors()

    def act_weaker(self) -> None:
        """Lower the strength by a step."""
        self.bench_app.change(self.bench_app.bench.change_strength(-STEP))

    def act_stronger(self) -> None:
        """Raise the strength by a step."""
        self.bench_app.change(self.bench_app.bench.change_strength(STEP))

    def act_weaker_fine(self) -> None:
        """Lower the strength a little."""
        self.bench_app.change(self.bench_app.bench.change_strength(-FINE))

    def act_stronger_fine(self) -> None:
        """Raise the strength a little."""
        self.bench_app.change(self.bench_app.bench.change_strength(FINE))

    def act_zero(self) -> None:
        """Set the strength to zero."""
        self.bench_app.change(self.bench_app.bench.set_strength(0.0))

    def act_layers_down(self) -> None:
        """Move the layers one down."""
        self._layers("move_layers", -1)

    def act_layers_up(self) -> None:
        """Move the layers one up."""
        self._layers("move_layers", 1)

    def act_layers_fewer(self) -> None:
        """Take a layer away."""
        self._layers("resize_layers", -1)

    def act_layers_more(self) -> None:
        """Add a layer."""
        self._layers("resize_layers", 1)

    def _layers(self, transition: str, amount: int) -> None:
        app = self.bench_app
        term, info = app.bench.selected_term, app.status.info
        if term is None or info is None:
            return app.say("layers need a model: m chooses one", "warning")
        item = app.known.get(term.name)
        best = item.best_layers if item else ()
        app.change(getattr(app.bench, transition)(amount, info.layers, best))

    def act_next_operation(self) -> None:
        """Walk to the next operation."""
        self.bench_app.change(self.bench_app.bench.next_operation())

    def act_next_scope(self) -> None:
        """Walk to the next scope."""
        self.bench_app.change(self.bench_app.bench.next_scope())

    def act_clear_recipe(self) -> None:
        """Take every term out."""
        self.bench_app.change(self.bench_app.bench.clear_recipe())

    def act_undo(self) -> None:
        """Undo the last change."""
        self.bench_app.change(self.bench_app.bench.undo())

    def act_edit_recipe(self) -> None:
        """Edit the recipe as text."""
        from steer_tui.tui.screens.recipe_editor import RecipeEditor

        app = self.bench_app

        def apply(text: str | None) -> None:
            if text is not None:
                app.change(app.bench.set_recipe(text))

        app.push_screen(RecipeEditor(app.bench.recipe_text, tuple(app.known)), apply)

    # What the panes ask for

    def on_row_list_moved(self) -> None:
        """Select the term of the concept under the cursor, if it has one."""
        if self.concepts.current is not None:
            self.bench_app.change(self.bench_app.bench.select_name(self.concepts.current.name))
            self.show_status()

    def on_concepts_toggled(self, event: Concepts.Toggled) -> None:
        """Switch the clicked concept."""
        self.toggle(event.name)

    def on_recipe_selected(self, event: Recipe.Selected) -> None:
        """Select the clicked term."""
        self.bench_app.change(self.bench_app.bench.select(event.index))
