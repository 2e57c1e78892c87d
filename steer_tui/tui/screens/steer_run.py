"""What keys do to runs, and what a run shows while it streams."""

from __future__ import annotations

import random

from steer_tui.engine.types import Request, Token
from steer_tui.session.messages import Generate, RunFailed, RunFinished, RunStarted, RunSteps
from steer_tui.tui.layout import ACTIVATIONS, BASELINE, CONCEPTS, PROMPT, RECIPE, STEERED
from steer_tui.tui.numbers import percent
from steer_tui.tui.running_text import ENDINGS, begins_word
from steer_tui.tui.screens.steer_panes import SteerPanes
from steer_tui.tui.widgets.prompt import Prompt
from steer_tui.tui.widgets.stream_text import StreamText

LARGEST_SEED = 2**31 - 1
OFF, ON = "off", "on"
"""Marks in the text where steering ends and begins because of a scope."""


class RunActions(SteerPanes):
    """Actions that begin and end runs, and the events of a run."""

    _run_id = 0
    _acting = True
    """Whether the newest steered token was steered."""
    shown_run = 0
    """The run whose text is on the screen."""
    _waiting = False
    """Whether a run was asked for before model and vectors were there."""

    def act_run(self) -> None:
        """Run the current recipe."""
        self.keep_prompt()
        app = self.bench_app
        lacking = [name for name in app.bench.recipe.names if name in app.known and not app.known[name].has_vector]
        if lacking and app.known[lacking[0]].problem is None:
            self._waiting = True
            return self.make_vectors()
        self.start_run(app.bench.request())

    def wait_to_run(self) -> None:
        """Run as soon as the model and its vectors are there."""
        self._waiting = True
        what = "vectors are" if self.bench_app.status.extracting else "model is"
        self.bench_app.say(f"runs as soon as the {what} there")

    def run_if_waiting(self) -> None:
        """Run if that was asked for before model and vectors were there."""
        if self._waiting:
            self._waiting = False
            self.act_run()

    def stop_waiting(self) -> None:
        """Forget that a run was asked for: what it waited for did not come."""
        self._waiting = False

    def act_run_new_seed(self) -> None:
        """Run with a new seed."""
        self.bench_app.change(self.bench_app.bench.set_seed(random.randrange(LARGEST_SEED)))
        self.act_run()

    def act_repeat(self) -> None:
        """Repeat the last run, live changes included."""
        if self.bench_app.last_request is not None:
            self.start_run(self.bench_app.last_request)

    def start_run(self, request: Request) -> None:
        """Send a request; a run that streams is stopped first."""
        app = self.bench_app
        if not request.prompt.strip():
            self.go_to(PROMPT)
            return app.say("the prompt is empty: write one")
        if app.status.running is not None:
            app.engine.stop_run()
        if self.desk.facts.zoomed in (CONCEPTS, RECIPE, PROMPT):  # the text would stream unseen
            self.act_zoom()
        self._run_id += 1
        app.engine.send(Generate(self._run_id, request))
        app.status = app.status.asked(self._run_id)
        self.show_status()

    def act_stop(self) -> None:
        """Leave one level: the filter, a text field, the zoom, a run, a load."""
        app = self.bench_app
        if self.concepts.filtering or (self.place == CONCEPTS and self.concepts.filter_text):
            self.concepts.stop_filter(clear=True)
        elif self.place == PROMPT:
            self.go_to(CONCEPTS)
        elif app.status.running is not None:
            app.engine.stop_run()
        elif self.desk.facts.zoomed:
            self.act_zoom()
        else:
            app.stop_work()

    def act_baseline(self) -> None:
        """Show the unsteered text beside the steered one, or not."""
        app = self.bench_app
        if self.place == BASELINE:
            self.go_to(STEERED)
        app.change(app.bench.set_baseline(not app.bench.baseline))
        if app.bench.baseline and app.status.running is None and not self.steered.is_empty and self.baseline.is_empty:
            app.say("baseline on: the next run shows it")

    def act_open(self) -> None:
        """Do what enter means here."""
        if self.place == CONCEPTS:
            self.bench_app.act("toggle")
        elif self.place == RECIPE:
            self.bench_app.act("edit_recipe")
        elif self.place in (STEERED, BASELINE, ACTIVATIONS):
            self.act_zoom()

    def act_copy(self) -> None:
        """Copy what the pane holds: a text, or the recipe."""
        app = self.bench_app
        if self.place in (STEERED, BASELINE):
            pane = self.steered if self.place == STEERED else self.baseline
            app.copy_text(pane.plain, "text") if pane.plain else app.say("no text yet: r runs")
        elif app.bench.recipe_text:
            app.copy_text(app.bench.recipe_text, "recipe")
        else:
            app.say("nothing to copy yet")

    def keep_prompt(self) -> None:
        """Take the prompt from its field into the session."""
        app = self.bench_app
        app.change(app.bench.type_prompt(self.prompt.text).end_typing())

    def on_text_area_changed(self, event: Prompt.Changed) -> None:
        """Keep the prompt while it is written; one undo takes all of it back."""
        app = self.bench_app
        app.change(app.bench.type_prompt(self.prompt.text))

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Run what was written, and watch it."""
        self.keep_prompt()
        self.go_to(STEERED)
        self.bench_app.act("run")

    # Events of a run

    def run_started(self, event: RunStarted) -> None:
        """Clear the panes and begin with the prompt."""
        request = event.request
        self.shown_run = event.run_id
        self._acting = True
        self.bench_app.last_request = request
        for pane in (self.steered, self.baseline):
            pane.clear()
            pane.say("")
        self.running.begin(request, self.bench_app.status.info, (self.steered, self.baseline))
        self.steered.append(event.prompt_text, "prompt")
        if request.baseline:
            self.baseline.append(event.prompt_text, "prompt")
        else:
            self.baseline.empty_note = "the last run had no baseline"
        self.activations.start()

    def run_steps(self, event: RunSteps) -> None:
        """Show steps as they come."""
        if event.run_id != self.shown_run:
            return
        for step in event.steps:
            if step.steered is not None:
                self.running.begin_answer(self.steered, step.steered.text)
            if step.changed is not None:
                self.running.mark(self.steered, step.changed, step.steered)
            if step.steered is not None:
                self._show_steered(step.steered)
            if step.baseline is not None:
                self.running.begin_answer(self.baseline, step.baseline.text)
                self.baseline.append(step.baseline.text)
        self.activations.push(event.steps)
        self.show_added()

    def _show_steered(self, token: Token) -> None:
        acting = token.steered or not self.running.recipe
        if acting != self._acting:
            self.steered.append_mark(ON if acting else OFF, apart=begins_word(token))
            self._acting = acting
        self.steered.append(token.text, "" if acting else "unsteered")

    def show_added(self) -> None:
        """Say how much the recipe adds, as the last run found it; nothing once the recipe is another."""
        app = self.bench_app
        added = self.activations.history.added
        is_known = app.status.running is not None or app.bench.recipe_text == self.running.recipe
        self.recipe.say(f"adds {percent(added)} of norm" if app.bench.terms and is_known and added == added else "")

    def run_finished(self, event: RunFinished) -> None:
        """Show how it ended and what it measured."""
        result = event.result
        self.show_added()
        if event.run_id != self.shown_run:  # stopped before its first step
            return
        self.bench_app.last_request = result.request
        self._end_note(self.steered, len(result.steered.ids), result.steered.finish)
        if result.baseline is not None:
            self._end_note(self.baseline, len(result.baseline.ids), result.baseline.finish)
        self.activations.finish(result.measures)

    def _end_note(self, pane: StreamText, count: int, finish: str) -> None:
        pane.say(f"{count} tokens, {ENDINGS[finish]}")

    def run_failed(self, event: RunFailed) -> None:
        """Say what went wrong; what was streamed stays."""
        if event.run_id == self.shown_run:
            self.steered.say("failed")
        self.show_added()
        self.bench_app.complain(event.message, event.hint)
