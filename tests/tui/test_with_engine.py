"""The workbench on the real engine thread over a fake model: loading, streaming, live changes, stopping, leaving."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from steer_tui.config import load_config
from steer_tui.paths import Paths
from steer_tui.tui.app import SteerApp
from tests.fakes import Script, fake_engine


@asynccontextmanager
async def opened(paths: Paths, script: Script | None = None) -> AsyncIterator[tuple[SteerApp, Pilot[int]]]:
    engine = fake_engine(paths, script)
    app = SteerApp(engine, paths, load_config(paths))
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until(lambda: app.status.info is not None)
        yield app, pilot
    engine.shutdown(2.0)
    app.saver.finish(1.0)


async def until(true: Callable[[], bool], seconds: float = 250.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def run_with_a_change(app: SteerApp, pilot: Pilot[int], script: Script) -> str:
    """Run, change the strength while the script holds the text midway, and return the text once it has ended."""
    await until(lambda: bool(app.bench.terms))
    await pilot.press("r")
    await until(lambda: len(app.steer.steered.plain) > 8)
    await pilot.press("=")
    script.hold_at = None
    await until(lambda: app.status.running is None and app.last_request is not None)
    assert app.last_request is not None and app.last_request.changes
    return app.steer.steered.plain


async def test_a_run_goes_from_key_to_journal(paths: Paths) -> None:
    async with opened(paths) as (app, pilot):
        await until(lambda: bool(app.concepts))
        await pilot.press("r")
        await until(lambda: app.last_request is not None and app.status.running is None)
        await until(lambda: app.status.word == "idle")
        assert app.steer.steered.plain and app.steer.baseline.plain
    assert paths.journal.exists()


async def test_a_live_change_is_marked_and_kept_for_the_repeat(paths: Paths) -> None:
    script = Script(tokens_per_second=80, hold_at=20)
    async with opened(paths, script) as (app, pilot):
        first = await run_with_a_change(app, pilot, script)
        await pilot.press(".")
        await until(lambda: app.steer._run_id > 1)
        await until(lambda: app.status.running is None)
        assert app.steer.steered.plain == first


async def test_esc_stops_and_the_next_run_works(paths: Paths) -> None:
    async with opened(paths, Script(hold_at=20)) as (app, pilot):
        await pilot.press("r")
        await until(lambda: len(app.steer.steered.plain) > 4)
        await pilot.press("escape")
        await until(lambda: app.status.running is None)
        first = app.steer.steered.plain
        assert len(first) > 0 and app.last_request is not None
        await pilot.press("r")
        await until(lambda: app.status.running is not None)
        await pilot.press("escape")
        await until(lambda: app.status.running is None)
        await until(lambda: app.status.word == "idle")
        assert app.steer._run_id == 2
