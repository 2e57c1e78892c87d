"""Sweeps on the engine thread: what goes to the screen, what to the journal, how they end and go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.sweeptypes import Cell
from steer_tui.errors import OutOfMemory
from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.messages import LoadModel, ModelLoaded, VectorsChanged
from steer_tui.session.sweep_messages import RunSweep, SweepCells, SweepFailed, SweepFinished, SweepStarted, SweepWent
from steer_tui.session.sweep_records import SweepRecord
from tests.fakes import Listener, Script, fake_engine
from tests.sweeps import all_cells

REQUEST = SweepRequest(("The meeting went",), ("happy",), ((2,), (3,)), (1.0, 2.0, 6.0))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def listener(paths: Paths, script: Script) -> Iterator[Listener]:
    engine = fake_engine(paths, script)
    engine.start()
    listener = Listener(engine)
    engine.send(LoadModel("demo"))
    listener.wait(ModelLoaded)
    yield listener
    engine.shutdown(2.0)


def cells_of(listener: Listener) -> list[Cell]:
    return [cell for event in listener.events if isinstance(event, SweepCells) for cell in event.cells]


def kept(paths: Paths, true: Callable[[SweepRecord], bool]) -> SweepRecord:
    """Return the newest sweep of the journal as soon as something is true of it."""
    until = time.monotonic() + 60
    while True:
        with Journal(paths.journal) as journal:
            record = journal.sweeps.newest()
        if record is not None and true(record):
            return record
        assert time.monotonic() < until, record
        time.sleep(0.01)


def test_every_cell_goes_to_the_screen_and_to_the_journal(listener: Listener, paths: Paths) -> None:
    listener.engine.send(RunSweep("one", REQUEST))
    assert listener.wait(SweepStarted).request == REQUEST
    end = listener.wait(SweepFinished)
    assert (end.uid, end.complete, end.notes) == ("one", True, ("a note",))
    assert cells_of(listener) == list(all_cells(REQUEST))
    assert [event.progress.done for event in listener.events if isinstance(event, SweepWent)][-1] == 31
    record = kept(paths, lambda record: record.entry.ending == "complete")
    assert record.cells == all_cells(REQUEST)
    assert record.entry.best == "happy:2@3"
    assert [cell.problem for cell in record.cells if cell.strengths == (6.0,) and cell.kind == "cell"] == ["nan"] * 2


def test_a_stopped_sweep_is_resumed_without_running_a_cell_twice(
    listener: Listener, script: Script, paths: Paths
) -> None:
    script.sweep_hold_at = 5
    listener.engine.send(RunSweep("one", REQUEST))
    listener.wait(SweepCells)
    listener.engine.stop_run()
    assert not listener.wait(SweepFinished).complete
    first = cells_of(listener)
    assert 0 < len(first) < len(all_cells(REQUEST))
    record = kept(paths, lambda record: record.entry.ending == "stopped")
    assert record.cells == tuple(first)
    listener.events.clear()
    listener._read = 0
    script.sweep_hold_at = None
    listener.engine.send(RunSweep("one", REQUEST, record.cells))
    assert listener.wait(SweepFinished).complete
    again = {cell.key for cell in cells_of(listener)}
    assert not again & {cell.key for cell in first}
    record = kept(paths, lambda record: record.entry.ending == "complete")
    assert {cell.key: cell for cell in record.cells} == {cell.key: cell for cell in all_cells(REQUEST)}


def test_cells_of_a_sweep_that_was_killed_are_in_the_journal(listener: Listener, script: Script, paths: Paths) -> None:
    script.sweep_hold_at = 3
    listener.engine.send(RunSweep("one", REQUEST))
    record = kept(paths, lambda record: len(record.cells) >= 2)
    assert record.entry.ending is None  # what a kill at this instant leaves
    assert record.cells == all_cells(REQUEST)[: len(record.cells)]


def test_an_error_in_the_middle_keeps_what_had_finished(listener: Listener, script: Script, paths: Paths) -> None:
    script.sweep_error, script.sweep_error_after = OutOfMemory("one row does not fit", hint="fewer tokens"), 3
    listener.engine.send(RunSweep("one", REQUEST))
    failed = listener.wait(SweepFailed)
    assert (failed.message, failed.hint) == ("one row does not fit", "fewer tokens")
    record = kept(paths, lambda record: record.entry.ending == "failed")
    assert len(record.cells) == 3 and record.message == "one row does not fit"
    script.sweep_error = None
    listener.engine.send(RunSweep("one", REQUEST, record.cells))
    assert listener.wait(SweepFinished).complete


def test_a_sweep_that_cannot_be_says_why(listener: Listener) -> None:
    listener.engine.send(RunSweep("one", SweepRequest((), ("happy",))))
    assert listener.wait(SweepFailed).message == "the sweep has no prompt"
    listener.engine.send(RunSweep("two", SweepRequest(("x",), ("hapy",))))
    failed = listener.wait(SweepFailed)
    assert "no vector 'hapy'" in failed.message and "happy" in (failed.hint or "")


def test_a_sweep_without_a_model_is_refused(paths: Paths) -> None:
    engine = fake_engine(paths)
    engine.start()
    engine.send(RunSweep("one", REQUEST))
    assert Listener(engine).wait(SweepFailed).message == "no model is loaded"
    engine.shutdown(2.0)


def test_missing_vectors_are_made_first(listener: Listener, script: Script) -> None:
    listener.engine.send(LoadModel("other"))
    listener.wait(ModelLoaded)
    listener.engine.send(RunSweep("one", REQUEST))
    listener.wait(VectorsChanged)
    assert listener.wait(SweepFinished).complete
    assert [name for name, _ in script.calls][-3:] == ["extract", "save", "sweep"]
