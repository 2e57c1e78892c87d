"""The workbench on a fake engine, keys pressed and the screen read as a person would."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual import events
from textual.keys import _character_to_key
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.widget import Widget

from steer_tui.config import load_config
from steer_tui.options import Options
from steer_tui.paths import Paths
from steer_tui.tui.app import SteerApp
from steer_tui.tui.background import NAME as BACKGROUND_NAME
from tests.tui.fake import FakeEngine

ROUNDS = 60
"""Enough for any layout to come to rest; what moves by itself, such as a cursor that blinks, is not waited for."""
BACKGROUND = 30.0
"""Seconds that work off the screen's thread may take, such as reading a journal; no longer is waited for."""


def key_event(app: SteerApp, key: str) -> events.Key:
    """Return the event that the driver would send for a key, given by its name or as the character it writes."""
    name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
    event = events.Key(name, key if len(key) == 1 else {"space": " ", "enter": "\r", "tab": "\t"}.get(key))
    event.set_sender(app)
    return event


@dataclass
class Bench:
    """An open workbench."""

    app: SteerApp
    engine: FakeEngine
    pilot: Pilot[int]

    async def press(self, *keys: str) -> None:
        """Press keys and let everything that follows from them happen."""
        for key in keys:
            await self._press(key)
        await self.settle()

    async def _press(self, key: str) -> None:
        """Send one key as the driver would; the pilot's own `press` sleeps between keys."""
        assert self.app._driver is not None
        self.app._driver.send_message(key_event(self.app, key))
        await self.idle()

    async def idle(self) -> None:
        """Wait until every message has been handled and the screen drawn: on until it is quiet twice in a row.

        Once is not enough: a widget in the middle of handling a message has an empty queue.
        """
        quiet = 0
        for done in range(1, ROUNDS + 1):
            await asyncio.sleep(0)
            if not self.app.is_running:
                return
            await self.pilot._wait_for_screen()
            self.app.screen._on_timer_update()
            quiet = quiet + 1 if self._is_quiet() else 0
            if done >= 3 and quiet >= 2:
                return

    def _is_quiet(self) -> bool:
        """Whether no widget has a message to handle, a callback to call or something to lay out or draw."""
        screen = self.app.screen
        if screen._callbacks or screen._dirty_widgets or _is_waiting(self.app):
            return False
        for widget in screen.walk_children(Widget, with_self=True):
            if widget._layout_required or widget._repaint_required or widget._scroll_required or _is_waiting(widget):
                return False
        return not any(_is_waiting(below) for below in self.app.screen_stack)

    async def type(self, text: str) -> None:
        """Press the keys of a text."""
        await self.press(*text)

    async def settle(self) -> None:
        """Let the app take in what the engine did, and what it does off the screen's thread."""
        await self.idle()
        if self.app.is_running:
            self.app.look_into_outbox()
            await self.idle()
        deadline = time.monotonic() + BACKGROUND
        while self.app.is_running and _in_background() and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
            if not _in_background():
                await self.idle()

    async def tick(self, count: int = 1) -> None:
        """Let the engine make steps, and the app show them."""
        self.engine.tick(count)
        await self.settle()

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        await self.pilot.resize_terminal(width, height)
        await self.settle()

    @property
    def lines(self) -> list[str]:
        """What the screen shows, line by line."""
        compositor = self.app.screen._compositor
        return ["".join(segment.text for segment in strip) for strip in compositor.render_strips()]

    @property
    def screen(self) -> str:
        """What the screen shows."""
        return "\n".join(self.lines)

    @property
    def toasts(self) -> str:
        """What toasts say now."""
        return "\n".join(notification.message for notification in self.app._notifications)

    @property
    def recipe(self) -> str:
        """The recipe of the session."""
        return self.app.bench.recipe_text

    @property
    def place(self) -> str:
        """The pane that has the keyboard."""
        return self.app.steer.place


def _is_waiting(pump: MessagePump) -> bool:
    """Whether it has a message to handle or a callback to call."""
    return bool(pump.message_queue_size or pump._next_callbacks)


def _in_background() -> bool:
    """Whether something is done off the screen's thread."""
    return any(thread.name == BACKGROUND_NAME for thread in threading.enumerate())


@asynccontextmanager
async def workbench(
    paths: Paths, engine: FakeEngine | None = None, size: tuple[int, int] = (120, 36), options: Options | None = None
) -> AsyncIterator[Bench]:
    """Open the workbench; the fake model is loaded when the context begins."""
    engine = engine or FakeEngine()
    app = SteerApp(engine, paths, load_config(paths), options)  # type: ignore[arg-type]
    async with app.run_test(size=size, notifications=True) as pilot:
        bench = Bench(app, engine, pilot)
        await pilot.pause()
        await bench.settle()
        yield bench
    app.saver.finish(1.0)
