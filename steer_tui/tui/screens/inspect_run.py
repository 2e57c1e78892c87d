"""Runs on Inspect: the session's prompt, recipe and hooks; the hooked text beside the unhooked one."""

from __future__ import annotations

from dataclasses import replace

from steer_tui.engine.types import Request
from steer_tui.session.messages import RecipeRefused, RunFailed, RunFinished, RunStarted, RunSteps
from steer_tui.tui.hook_words import count_text
from steer_tui.tui.inspect_layout import HOOKED, LOGITS, UNHOOKED, WATCH
from steer_tui.tui.running_text import ENDINGS
from steer_tui.tui.safe import label
from steer_tui.tui.screens.inspect_values import ValueActions
from steer_tui.tui.widgets.stream_text import StreamText

NO_BASELINE = "b shows the unhooked text beside it"
NOTHING_MOVED = "neither recipe nor hooks acted on the first token"


class RunActions(ValueActions):
    """Actions that begin and end runs, and the events of a run."""

    shown_run = 0
    """The run whose text is on the screen."""

    def act_run(self) -> None:
        """Run prompt, recipe and hooks."""
        if not self.bench_app.bench.prompt.strip():
            self.bench_app.say("the prompt is empty: write one")
            return self.act_write_prompt()
        self.bench_app.steer.act_run()

    def act_run_new_seed(self) -> None:
        """Run with a new seed."""
        self.bench_app.steer.act_run_new_seed()

    def act_repeat(self) -> None:
        """Repeat the last run with its recipe, hooks and live changes."""
        self.bench_app.steer.act_repeat()

    def act_baseline(self) -> None:
        """Generate the unhooked text beside it, or not."""
        app = self.bench_app
        if self.place in (UNHOOKED, LOGITS):
            self.go_to(HOOKED)
        app.change(app.bench.set_baseline(not app.bench.baseline))
        if app.bench.baseline and self.unhooked.is_empty and not self.hooked.is_empty:
            app.say("baseline on: the next run shows it")

    def act_write_prompt(self) -> None:
        """Write the prompt in a dialog."""
        from steer_tui.tui.screens.prompt_dialog import PromptDialog

        app = self.bench_app

        def written(answer: tuple[str, bool] | None) -> None:
            if answer is None:
                return
            app.change(app.bench.set_prompt(answer[0]))
            if answer[1]:
                app.act("run")

        app.push_screen(PromptDialog(app.bench.prompt), written)

    # Events of a run

    def run_started(self, event: RunStarted) -> None:
        """Clear the panes and begin with the prompt."""
        request = event.request
        self.shown_run = event.run_id
        self.hooked.clear()
        self.unhooked.clear()
        self.unhooked.say("")
        self.hooked.say(what_acts(request))
        self.running.begin(request, self.bench_app.status.info, (self.hooked, self.unhooked))
        self.hooked.append(event.prompt_text, "prompt")
        if request.baseline:
            self.unhooked.append(event.prompt_text, "prompt")
        self.watch_list.start()
        self.attached.report(())
        self.logits.empty_note = "comes when the run has ended" if request.baseline else NO_BASELINE
        self.logits.show(None)

    def run_steps(self, event: RunSteps) -> None:
        """Show steps as they come."""
        if event.run_id != self.shown_run:
            return
        for step in event.steps:
            if step.changed is not None:
                self.running.mark(self.hooked, step.changed, step.steered)
            if step.steered is not None:
                self.running.begin_answer(self.hooked, step.steered.text)
                self.hooked.append(step.steered.text)
            if step.baseline is not None:
                self.running.begin_answer(self.unhooked, step.baseline.text)
                self.unhooked.append(step.baseline.text)
        self.watch_list.push(seen for step in event.steps for seen in step.watched)

    def run_finished(self, event: RunFinished) -> None:
        """Show how it ended, what hooks did and which logits moved."""
        result = event.result
        if event.run_id != self.shown_run:
            return
        self._end_note(self.hooked, len(result.steered.ids), result.steered.finish, what_acts(result.request))
        if result.baseline is not None:
            self._end_note(self.unhooked, len(result.baseline.ids), result.baseline.finish, "")
        self.watch_list.finish()
        self.attached.report(result.hooks)
        self.logits.empty_note = NOTHING_MOVED if result.baseline is not None else NO_BASELINE
        self.logits.show(result.logit_difference)

    def _end_note(self, pane: StreamText, count: int, finish: str, acting: str) -> None:
        pane.say(", ".join(filter(None, (f"{count} tokens, {ENDINGS[finish]}", acting))))

    def run_failed(self, event: RunFailed) -> None:
        """Mark the hook that failed; what was streamed stays."""
        if event.run_id == self.shown_run:
            self.hooked.say("failed")
            self.hooked.append(f"\n{event.message}", "error")
        self.blame(event.message)

    def refused(self, event: RecipeRefused) -> None:
        """Mark the hook that could not be put in force."""
        self.blame(event.message)

    def show_layout(self) -> None:
        """Arrange the panes by what there is to show."""
        bench = self.bench_app.bench
        self.desk.facts = replace(
            self.desk.facts,
            baseline=bench.baseline,
            watched=len(self.watch_list.specs),
            attached=len(self.attached.rows()),
        )
        if self.place == WATCH and self.desk.facts.zoomed not in (None, WATCH):
            self.go_to(WATCH)


def what_acts(request: Request) -> str:
    """Return what acts on the hooked text, in a few words."""
    return " + ".join(filter(None, (label(request.recipe), count_text(request.hooks)))) or "no hooks"
