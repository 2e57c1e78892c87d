"""Sweep and History on the real engine thread over a fake model: from key to journal, and back from there."""

from __future__ import annotations

import time

from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.sweep_records import SweepRecord
from steer_tui.tui.screens.history import HistoryScreen
from steer_tui.tui.screens.sweep import SweepScreen
from tests.fakes import Script
from tests.tui.test_with_engine import opened, until


def newest(paths: Paths) -> SweepRecord | None:
    if not paths.journal.exists():
        return None
    with Journal(paths.journal) as journal:
        return journal.sweeps.newest()


def is_kept(paths: Paths, ending: str) -> bool:
    record = newest(paths)
    return record is not None and record.entry.ending == ending


async def test_a_sweep_goes_from_key_to_journal_and_onto_steer(paths: Paths) -> None:
    async with opened(paths) as (app, pilot):
        await until(lambda: bool(app.bench.terms))
        before = app.bench.recipe_text
        await pilot.press("2", "r")
        place = app.places["sweep"]
        assert isinstance(place, SweepScreen)
        await until(lambda: place.board is not None and place.board.complete)
        assert app.status.word == "idle"
        await pilot.press("enter")
        await until(lambda: app.current_mode == "steer")
        assert app.bench.recipe_text != before
        await until(lambda: is_kept(paths, "complete"))
    record = newest(paths)
    assert record is not None and record.entry.done == record.entry.total == 35
    assert record.result.grids[0].best is not None


async def test_a_stopped_sweep_goes_on_in_the_same_entry(paths: Paths) -> None:
    script = Script(sweep_seconds=0.02)
    async with opened(paths, script) as (app, pilot):
        await until(lambda: bool(app.bench.terms))
        await pilot.press("2", "r")
        place = app.places["sweep"]
        assert isinstance(place, SweepScreen)
        await until(lambda: place.board is not None and place.board.done > 3)
        await pilot.press("escape")
        await until(lambda: app.status.word == "idle")
        await until(lambda: is_kept(paths, "stopped"))
        first = newest(paths)
        assert first is not None and place.board is not None and first.entry.done == place.board.done < 35
        script.sweep_seconds = 0.0
        await pilot.press("r")
        await until(lambda: place.board is not None and place.board.complete)
        await until(lambda: is_kept(paths, "complete"))
    second = newest(paths)
    assert second is not None and second.entry.id == first.entry.id
    assert second.cells[: len(first.cells)] == first.cells


async def test_a_run_of_the_journal_is_replayed_with_its_live_changes(paths: Paths) -> None:
    async with opened(paths, Script(tokens_per_second=80)) as (app, pilot):
        await until(lambda: bool(app.bench.terms))
        await pilot.press("r")
        await until(lambda: len(app.steer.steered.plain) > 8)
        await pilot.press("=")
        await until(lambda: app.status.running is None and app.last_request is not None)
        first = app.steer.steered.plain
        assert app.last_request is not None and app.last_request.changes
        await pilot.press("-")  # what Steer holds now is something else
        await pilot.press("5")
        place = app.places["history"]
        assert isinstance(place, HistoryScreen)
        await until(lambda: place.record is not None)
        await pilot.press(".")
        await until(lambda: app.current_mode == "steer" and app.status.running is not None)
        began = time.monotonic()
        await until(lambda: app.status.running is None)
        assert time.monotonic() - began < 20
        assert app.steer.steered.plain == first
