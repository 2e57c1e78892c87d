"""The way of a new concept from anywhere: the form, what came of it, and into the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steer_tui.session.concept_draft import ConceptDraft

if TYPE_CHECKING:
    from steer_tui.session.library_messages import ConceptMade
    from steer_tui.tui.app import SteerApp


def new_concept(app: SteerApp, argument: str = "") -> None:
    """Open the form where it was left; `argument` names the concept."""
    from steer_tui.tui.screens.concept_form import ConceptForm

    draft = app.drafts.current
    if argument:
        draft = ConceptDraft(argument, draft.text, draft.method, draft.read)

    def made(event: ConceptMade | None) -> None:
        if event is not None:
            show_made(app, event, app.drafts.current)
            app.drafts.keep(ConceptDraft())

    app.push_screen(ConceptForm(draft), made)


def show_made(app: SteerApp, event: ConceptMade, draft: ConceptDraft) -> None:
    """Show what came of it; `draft` is gone on with if someone wants to change it."""
    from steer_tui.tui.screens.report import PageDialog
    from steer_tui.tui.screens.vector_report import AGAIN, STEER, VectorReport

    def answered(answer: str | None) -> None:
        if answer == STEER:
            steer_with(app, event.name)
        elif answer == AGAIN:
            app.drafts.keep(draft)
            new_concept(app)

    if event.vector is not None:
        app.push_screen(PageDialog(VectorReport(event.vector)), answered)


def steer_with(app: SteerApp, name: str) -> None:
    """Put a vector into the recipe at its recommended layers, select it, and go to Steer."""
    item = app.known.get(name)
    bench = app.bench
    if not any(term.name == name for term in bench.terms):
        bench = bench.toggle(name, item.default_recipe if item else name)
    app.change(bench.select_name(name))
    if app.current_mode != "steer":
        app.switch_mode("steer")
    app.steer.concepts.move_to(name)
    app.say(f"{name} is in the recipe: r runs")
