"""The workbench: wires engine, session, registry of actions and screens together, and decides nothing itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.filter import LineFilter

from steer_tui.config import Config
from steer_tui.engine.recipe import Term
from steer_tui.engine.types import Request, Sampling
from steer_tui.errors import RecipeError
from steer_tui.options import Options
from steer_tui.paths import Paths
from steer_tui.session.messages import LoadModel, VectorSummary
from steer_tui.session.session_file import load_session, save_session
from steer_tui.session.state import Layout, Workbench
from steer_tui.tui.actions import BY_ID, Situation
from steer_tui.tui.app_actions import APP_ACTIONS
from steer_tui.tui.background import InTurn, in_background
from steer_tui.tui.clipboard import copy
from steer_tui.tui.drafts import Drafts
from steer_tui.tui.glyphs import glyphs
from steer_tui.tui.inbox import Inbox
from steer_tui.tui.keymap import load_keymap
from steer_tui.tui.quick import QuickApp
from steer_tui.tui.safe import Scrubber
from steer_tui.tui.saver import Saver
from steer_tui.tui.screens.base import WorkbenchScreen
from steer_tui.tui.screens.places import PLACES, make_place
from steer_tui.tui.screens.steer import SteerScreen
from steer_tui.tui.status import Status
from steer_tui.tui.themes import own_variables
from steer_tui.tui.wardrobe import Wardrobe
from steer_tui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from steer_tui.session.runner import Engine

DRAIN, DRAIN_REMOTE = 1 / 20, 1 / 8
"""Seconds between looks into the outbox; over SSH every redraw is bytes on the wire."""
NUMBERS_REMOTE = 0.3
"""Seconds between two drawings of the activations over SSH."""
THEME_LOOK = 1.0
DEMO = "demo"
SCRUBBER = Scrubber()


class SteerApp(QuickApp):
    """The app; its result is the exit status."""

    CSS_PATH = [Path(__file__).parent / "styles" / name for name in ("workbench.tcss", "forms.tcss")]
    TITLE = "steer-tui"
    ENABLE_COMMAND_PALETTE = False
    DEFAULT_MODE = "steer"

    def __init__(self, engine: Engine, paths: Paths, config: Config, options: Options | None = None) -> None:
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.engine, self.paths, self.config = engine, paths, config
        self.options = options or Options()
        self.ascii = self.options.ascii or config.ascii
        Pane.glyphs = glyphs(self.ascii)
        self.set_class(self.ascii, "-ascii")
        self.animation_level = "none"
        self.concepts: tuple[VectorSummary, ...] = ()
        self.known: dict[str, VectorSummary] = {}
        self.wanted = ""
        """The concept to switch on when its vector has been made."""
        self.last_request: Request | None = None
        session = load_session(paths.session)
        self.bench = session.bench
        self.is_first_start = session.is_first or not session.bench.model_ref  # left before a model was there
        if session.is_first:
            plain = Sampling(config.temperature, config.top_p, config.top_k, max_tokens=config.max_tokens)
            self.bench = self.bench.set_sampling(plain)
        self._first_model = self.options.model or config.model or self.bench.model_ref or DEMO
        self.status = Status(loading=self._first_model)
        self.keymap, problems = load_keymap(paths.keys_file)
        self.unsaid += [line for line in (session.problem, config.problem, *problems) if line]
        self._inbox = Inbox(self)
        self.saver = Saver(partial(save_session, paths.session), self._complain_of_saving)
        self.drafts = Drafts(paths.concept_draft, self._complain_of_saving)
        self.journal_work = InTurn()
        self.steer = SteerScreen()
        self.places: dict[str, WorkbenchScreen] = {}
        """The screens that have been visited, by name."""
        self.add_mode("steer", lambda: self.steer)
        for name in PLACES:
            self.add_mode(name, partial(self.visit, name))
        for binding in Binding.make_bindings(self.keymap.bindings()):
            self._bindings.key_to_bindings.setdefault(binding.key, []).append(binding)
        self.wardrobe = Wardrobe(self, paths)
        self.wardrobe.open(self.options.theme or self.bench.theme or config.theme)

    # Life

    def on_mount(self) -> None:
        """Look into the outbox from now on; the engine starts when the first frame is out."""
        remote = os.environ.get("SSH_CONNECTION")
        self.set_interval(DRAIN_REMOTE if remote else DRAIN, self.look_into_outbox)
        if remote:
            self.steer.activations.pause = NUMBERS_REMOTE
        self.set_interval(THEME_LOOK, self.wardrobe.look)
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        for line in self.unsaid:
            self.say(line, "warning")
        self.call_after_refresh(self.start_engine)

    def visit(self, name: str) -> WorkbenchScreen:
        """Return a screen by name, made at its first visit."""
        if name not in self.places:
            self.places[name] = make_place(name)
        return self.places[name]

    def look_into_outbox(self) -> None:
        """Show what the engine did since the last look."""
        self._inbox.drain()

    def start_engine(self) -> None:
        """Begin to load the model that was asked for, or the last one, or the demo."""
        self.engine.start()
        self.load_model(self._first_model)

    def leave(self) -> None:
        """End the screen at once; the session is saved and the engine told before anything else."""
        self.engine.stop_run()
        self.engine.cancel_load()
        self.steer.keep_prompt()
        self.saver.later(self.bench)
        self.exit(0)

    def leave_from_signal(self) -> None:
        """End the screen from a signal handler, which interrupts whatever the loop was doing."""
        self.saver.later(self.bench)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.leave)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return Textual's filters and, last, the one that lets no control character out."""
        return [*super().get_line_filters(), SCRUBBER]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return our own variables as they are where a theme says nothing of them."""
        return own_variables(self.current_theme)

    def _print(self, text: str, stderr: bool = False) -> None:
        """Write what a hook of the user's prints to the log: that is descriptor 1 while the screen has the terminal."""
        with contextlib.suppress(OSError):
            os.write(1, text.encode("utf-8", "replace"))

    # Actions

    async def action_quit(self) -> None:
        """Quit; Textual binds ctrl+q to this before anything else."""
        self.leave()

    def action_press(self, key: str) -> None:
        """Do what a key means on the screen in front."""
        action_id = self.keymap.action(key, self.current_mode)
        if action_id is not None:
            self.act(action_id)

    def act(self, action_id: str, argument: str = "") -> None:
        """Do an action, or say why it is not possible now."""
        situation = self.situation()
        reason = BY_ID[action_id].reason(situation)
        if action_id == "run" and situation.is_waiting:
            return self.steer.wait_to_run()
        if reason and action_id != "stop":
            return self.say(reason)
        method = getattr(self.screen, f"act_{action_id}", None)
        if method is not None:
            method()
        elif action_id in APP_ACTIONS:
            APP_ACTIONS[action_id](self, argument)

    def situation(self) -> Situation:
        """Return what decides which actions are possible."""
        return Situation(
            model=self.status.info.ref if self.status.info else "",
            loading=self.status.loading,
            running=self.status.running is not None,
            extracting=self.status.extracting,
            sweeping=bool(self.status.sweeping),
            concepts=len(self.concepts),
            terms=len(self.bench.terms),
            names=len({term.name for term in self.bench.terms}),
            has_run=self.last_request is not None,
            can_undo=self.bench.can_undo,
            screen=self.current_mode,
            inside=self.place.is_inside,
            here=self.place.refusals(),
        )

    @property
    def place(self) -> WorkbenchScreen:
        """The screen in front, below any dialog."""
        return self.places.get(self.current_mode, self.steer)

    @property
    def fault(self) -> Exception | None:
        """What ended the screen, where it was not a person."""
        return self._exception

    # Session and engine

    def change(self, bench: Workbench) -> None:
        """Put a new session state in force: on the screen, on disk, and in the text that streams."""
        before, self.bench = self.bench, bench
        if bench is before or bench == before:
            return
        self.saver.later(bench)
        if self.status.running is not None and bench.recipe_text != before.recipe_text:
            self.engine.change_recipe(bench.recipe_text)
        if self.status.running is not None and bench.hooks != before.hooks:
            self.engine.change_hooks(bench.hooks, bench.needed_hook_file)
        if self.steer.is_mounted:
            self.steer.show_bench(before)
        for place in self.places.values():
            if place.is_mounted:
                place.show_bench(before)

    def note_layout(self, layout: Layout) -> None:
        """Keep for the next start what is in front."""
        if layout != self.bench.layout:
            self.bench = self.bench.set_layout(layout)
            self.saver.later(self.bench)

    def load_model(self, ref: str | None) -> None:
        """Load a model; the one in use stays until it is there."""
        if not ref:
            return
        options, config = self.options, self.config
        self.engine.send(
            LoadModel(
                ref,
                options.device or config.device,
                options.dtype or config.dtype,
                options.device_map,
                options.offline or config.offline,
            )
        )
        self.status = replace(self.status, loading=ref, fraction=None, failed=False)
        self.show_status()

    def stop_work(self) -> bool:
        """Stop what the engine does, the run first; False where it does nothing."""
        if self.status.running is not None or self.status.extracting or self.status.sweeping:
            self.engine.stop_run()
        elif self.status.loading:
            self.engine.cancel_load()
        else:
            return False
        return True

    def set_concepts(self, concepts: tuple[VectorSummary, ...]) -> None:
        """Take in what can steer the model."""
        self.concepts = concepts
        self.known = {item.name: item for item in concepts}

    def layers_of(self, term: Term) -> set[int]:
        """Return the block indices that a term acts on in the loaded model; none where they do not fit."""
        item, info = self.known.get(term.name), self.status.info
        if info is None:
            return set()
        try:
            return set(term.resolve_layers(info.layers, item.best_layers if item else ()))
        except RecipeError:
            return set()

    def set_theme(self, name: str | None) -> None:
        """Wear a theme and keep it for the next start."""
        if name and self.wardrobe.wear(name):
            self.change(self.bench.set_theme(name))

    # Words to the person

    def show_status(self) -> None:
        """Draw the top and the bottom line anew, also below a dialog."""
        base = self.screen_stack[0] if self.screen_stack else None
        if isinstance(base, WorkbenchScreen):
            base.show_status()

    def copy_text(self, text: str, what: str) -> None:
        """Copy by whatever way there is, and say which; tmux is asked off the screen's thread."""

        def write(sequence: str) -> None:
            if self._driver is not None:
                self.call_later(self._driver.write, sequence)

        in_background(self, partial(copy, text, what, self.paths.state, write), self.say)

    def _complain_of_saving(self, reason: str) -> None:
        in_background(self, lambda: f"the session is not saved: {reason}", partial(self.say, severity="warning"))
