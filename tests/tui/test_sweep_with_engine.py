"""Sweep and History on the real engine thread over a fake model: from key to journal, and back from there."""

from __future__ import annotations

from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.sweep_records import SweepRecord
from steer_tui.tui.screens.history import HistoryScreen
from steer_tui.tui.screens.sweep import SweepScreen
from tests.fakes import Script
from tests.tui.test_with_engine import opened, run_with_a_change, until


def newest(paths: Paths) -> SweepRecord | None:
    if not paths.journal.exists():
        return None
    with Journal(paths.journal) as journal:
        return journal.sweeps.newest()


def is_kept(paths: Paths, ending: str) -> bool:
    record = newest(paths)
    return record is not None and record.entry.ending == ending


def has_ended(paths: Paths) -> bool:
    """Whether the newest run of the journal has its end: it is written on another thread than the one that shows it."""
    with Journal(paths.journal) as journal:
        return journal.list()[0].finish is not None


async def test_a_sweep_goes_from_key_to_journal_and_onto_steer(paths: Paths) -> None:
    async with opened(paths) as (app, pilot):
        await until(lambda: bool(app.bench.terms))
        before = app.bench.recipe_text
        await pilot.press("2", "r")
        place = app.places["sweep"]
        assert isinstance(place, SweepScreen)
        await until(lambda: place.board is not None and place.board.complete)
        await until(lambda: app.status.word == "idle")
        await pilot.press("enter")
        await until(lambda: app.current_mode == "steer")
        await until(lambda: app.bench.recipe_text != before)
        await until(lambda: is_kept(paths, "complete"))
    record = newest(paths)
    assert record is not None and record.entry.done == record.entry.total == 35
    assert record.result.grids[0].best is not None


async def test_a_stopped_sweep_goes_on_in_the_same_entry(paths: Paths) -> None:
    script = Script(sweep_hold_at=9)
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
        script.sweep_hold_at = None
        await pilot.press("r")
        await until(lambda: place.board is not None and place.board.complete)
        await until(lambda: is_kept(paths, "complete"))
    second = newest(paths)
    assert second is not None and second.entry.id == first.entry.id
    assert second.cells[: len(first.cells)] == first.cells


async def test_a_run_of_the_journal_is_replayed_with_its_live_changes(paths: Paths) -> None:
    script = Script(tokens_per_second=80, hold_at=20)
    async with opened(paths, script) as (app, pilot):
        first = await run_with_a_change(app, pilot, script)
        await until(lambda: has_ended(paths))
        await pilot.press("-")  # what Steer holds now is something else
        await pilot.press("5")
        place = app.places["history"]
        assert isinstance(place, HistoryScreen)
        await until(lambda: place.record is not None)
        await pilot.press(".")
        await until(lambda: app.current_mode == "steer" and app.steer._run_id > 1)
        await until(lambda: app.status.running is None)
        assert app.steer.steered.plain == first
