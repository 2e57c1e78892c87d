"""Steer, the home screen: concepts and recipe on the left, texts and activations on the right, the prompt below.

What is shown, and when; what keys do is in `steer_move`, `steer_recipe` and `steer_run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from steer_tui.engine.recipe import Term
from steer_tui.session.state import Workbench
from steer_tui.tui.actions import FOOTERS, Hint
from steer_tui.tui.hook_words import count_text
from steer_tui.tui.layout import PROMPT
from steer_tui.tui.screens.steer_move import MoveActions
from steer_tui.tui.screens.steer_recipe import RecipeActions
from steer_tui.tui.screens.steer_run import RunActions
from steer_tui.tui.screens.steer_sweep import SweepPresets


class SteerScreen(RunActions, RecipeActions, MoveActions, SweepPresets):
    """The home screen."""

    def on_mount(self) -> None:
        """Show the session as it was left."""
        self.restore_layout()
        self.show_bench()
        self.show_empty_notes()

    def hints(self) -> Sequence[Hint]:
        """Return the keys of the pane that has the keyboard; of a run while one streams."""
        if self.concepts.filtering:
            return FOOTERS["filter"]
        if self.place == PROMPT:
            return FOOTERS["prompt"]
        return FOOTERS["running"] if self.bench_app.status.running is not None else FOOTERS[self.place]

    # What is shown

    def show_bench(self, before: Workbench | None = None) -> None:
        """Show recipe, prompt and settings as they are now; only what differs from `before`, where that is given."""
        app = self.bench_app
        bench = app.bench
        if before is None or (before.terms, before.selected) != (bench.terms, bench.selected):
            self.concepts.show(app.concepts, {term.name: term for term in bench.terms})
            self.recipe.show(bench.terms, bench.selected, app.known)
            self.activations.choose(*self._watched(bench.selected_term))
            self.show_added()
        self.recipe.show_hooks(count_text(bench.hooks))
        self.prompt.show(bench.prompt)
        self.prompt.say(_sampling_note(bench))
        self.show_layout()
        self.show_status()

    def show_layout(self) -> None:
        """Arrange the panes by what there is to show."""
        app = self.bench_app
        layers = app.status.info.layers if app.status.info else 6
        self.desk.facts = replace(
            self.desk.facts,
            baseline=app.bench.baseline,
            terms=len(app.bench.terms),
            prompt_lines=self.prompt.line_total,
            layers=layers,
        )

    def _watched(self, term: Term | None) -> tuple[str, frozenset[int]]:
        """Return the concept whose places the table shows, and every layer that the recipe steers."""
        app = self.bench_app
        touched: set[int] = set()
        for other in app.bench.terms:
            touched |= app.layers_of(other)
        return (term.name if term else ""), frozenset(touched)

    def show_empty_notes(self) -> None:
        """Say in empty panes what to press next."""
        app = self.bench_app
        if app.status.info is not None:
            ready, concepts = "press r to run", "none: see n"
        elif app.status.loading:
            note = app.status.note
            ready, concepts = f"the model is loading: {note}" if note else "the model is loading", "loading"
        else:
            ready, concepts = "no model: m chooses one", "m chooses a model"
        notes = {
            self.concepts: concepts,
            self.steered: ready,
            self.baseline: "the same prompt, unsteered",
            self.activations: "every layer, live, while text streams",
        }
        for pane, note in notes.items():
            pane.empty_note = note
            pane.refresh()


def _sampling_note(bench: Workbench) -> str:
    """Return the sampling settings that differ from plain sampling, and the length."""
    sampling = bench.sampling
    words = ["greedy" if sampling.temperature == 0 else f"temperature {sampling.temperature:g}"]
    if sampling.top_p < 1:
        words.append(f"top-p {sampling.top_p:g}")
    if sampling.top_k:
        words.append(f"top-k {sampling.top_k}")
    words += [f"{sampling.max_tokens} tokens", f"seed {sampling.seed}"]
    if bench.raw:
        words.append("raw")
    return ", ".join(words)
