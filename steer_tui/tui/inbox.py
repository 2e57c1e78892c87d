"""Takes events out of the engine's outbox and hands each to what shows it. Decides nothing, never waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from steer_tui.session.messages import (
    Event,
    ExtractFinished,
    LoadFailed,
    LoadProgress,
    ModelLoaded,
    Notice,
    RecipeRefused,
    RunFailed,
    RunFinished,
    RunStarted,
    RunSteps,
    VectorsChanged,
    VectorSummary,
)

if TYPE_CHECKING:
    from steer_tui.tui.app import SteerApp
    from steer_tui.tui.screens.steer import SteerScreen

FIRST_CONCEPT = "happy"
"""Switched on at the very first start, so that the first run shows what steering is."""


@runtime_checkable
class Taker(Protocol):
    """A screen or dialog that wants to know what the engine does."""

    def take(self, event: Event) -> None:
        """Take in an event."""


class Inbox:
    """The way from the outbox to app and screen."""

    def __init__(self, app: SteerApp) -> None:
        self._app = app

    def drain(self) -> None:
        """Show everything that happened since the last look."""
        events = self._app.engine.drain()
        if not events:
            return
        screen = self._app.steer
        for event in events:
            self._app.status = self._app.status.after(event)
            self._show(event, screen)
            for place in (*self._app.places.values(), *self._app.screen_stack[1:]):
                if isinstance(place, Taker):
                    place.take(event)
        self._app.show_status()

    def _show(self, event: Event, screen: SteerScreen) -> None:
        match event:
            case ModelLoaded():
                self._model_loaded(event, screen)
            case LoadProgress():
                screen.show_empty_notes()
            case VectorsChanged(vectors):
                self._vectors_changed(vectors, screen)
            case LoadFailed():
                self._load_failed(event, screen)
            case RunStarted():
                screen.run_started(event)
            case RunSteps():
                screen.run_steps(event)
            case RunFinished():
                screen.run_finished(event)
            case RunFailed():
                screen.run_failed(event)
            case ExtractFinished():
                self._extract_finished(event, screen)
            case RecipeRefused(message, hint):
                self._app.complain(message, hint)
            case Notice(message, hint):
                self._app.say(f"{message}\n{hint}" if hint else message, "warning")

    def _model_loaded(self, event: ModelLoaded, screen: SteerScreen) -> None:
        app = self._app
        app.set_concepts(event.vectors)
        app.change(app.bench.set_model(event.info.ref))
        if app.is_first_start and not app.bench.terms and FIRST_CONCEPT in app.known:
            screen.toggle(FIRST_CONCEPT)
            app.is_first_start = False
        screen.show_empty_notes()
        screen.show_bench()
        if app.bench.selected_term is not None:
            screen.concepts.move_to(app.bench.selected_term.name)
        screen.run_if_waiting()

    def _vectors_changed(self, vectors: tuple[VectorSummary, ...], screen: SteerScreen) -> None:
        app = self._app
        app.set_concepts(vectors)
        wanted, app.wanted = app.wanted, ""
        if wanted and wanted in app.known and app.known[wanted].has_vector:
            screen.toggle(wanted)
        screen.show_bench()

    def _load_failed(self, event: LoadFailed, screen: SteerScreen) -> None:
        app = self._app
        if event.cancelled:
            app.say(f"loading {event.ref} stopped")
            screen.stop_waiting()
        elif event.smaller:
            app.complain(event.message, event.hint)
            self._offer(event.smaller)
        else:
            app.complain(event.message, event.hint)
        screen.show_empty_notes()

    def _offer(self, ref: str) -> None:
        """Ask whether a smaller model should be loaded instead."""
        from steer_tui.tui.screens.question import Question

        def answered(yes: bool | None) -> None:
            if yes:
                self._app.load_model(ref)

        self._app.push_screen(Question(f"Load {ref} instead? It is smaller."), answered)

    def _extract_finished(self, event: ExtractFinished, screen: SteerScreen) -> None:
        if event.message is not None:
            self._app.complain(event.message, event.hint)
        elif event.names:
            self._app.say(f"{len(event.names)} vector{'s' if len(event.names) > 1 else ''} made")
        if event.names:
            screen.run_if_waiting()
        else:
            screen.stop_waiting()
