"""The engine thread over a fake engine: order, merging, stopping, failing, and leaving in time."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.engine.types import Change, Request, Sampling, Step, Token
from steer_tui.errors import LibraryError, ModelError, OutOfMemory
from steer_tui.paths import Paths
from steer_tui.session import runner, worker
from steer_tui.session.journal import Journal
from steer_tui.session.log import logged
from steer_tui.session.messages import (
    Command,
    EngineReady,
    Event,
    ExtractConcepts,
    ExtractFinished,
    ExtractProgress,
    Generate,
    LoadFailed,
    LoadModel,
    LoadProgress,
    ModelLoaded,
    Notice,
    RecipeRefused,
    RunFailed,
    RunFinished,
    RunStarted,
    RunSteps,
    VectorsChanged,
)
from steer_tui.session.outbox import Outbox
from steer_tui.session.runner import Engine
from steer_tui.session.speed import LEAST, WINDOW_SECONDS, Speed
from tests.fakes import Listener, Script, fake_engine
from tests.stopwatch import Stopwatch

ROOT = Path(__file__).resolve().parents[2]
SHORT = Request("The meeting went", "happy:2@3-4", Sampling(max_tokens=5))
LONG = replace(SHORT, sampling=Sampling(max_tokens=100_000))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def engine(paths: Paths, script: Script) -> Iterator[Engine]:
    made = fake_engine(paths, script)
    made.start()
    yield made
    script.is_deaf = False
    assert made.shutdown(60.0)


@pytest.fixture
def listener(engine: Engine) -> Listener:
    return Listener(engine)


@pytest.fixture
def loaded(engine: Engine, listener: Listener) -> Listener:
    """Events of an engine that has the demo model."""
    engine.send(LoadModel("demo"))
    listener.wait(ModelLoaded)
    return listener


def steps_of(listener: Listener, run_id: int) -> list[Step]:
    return [step for event in listener.all(RunSteps) if event.run_id == run_id for step in event.steps]


def steered_text(steps: list[Step]) -> str:
    return "".join(step.steered.text for step in steps if step.steered)


# The outbox


def step(index: int) -> Step:
    return Step(index, Token(index, " a", -1.0, True, None), None)


def test_waiting_steps_of_a_run_become_one_event() -> None:
    outbox = Outbox()
    for index in range(1000):
        outbox.put(RunSteps(1, (step(index),), float(index)))
    (event,) = outbox.drain()
    assert event == RunSteps(1, tuple(map(step, range(1000))), 999.0)
    assert outbox.drain() == []


def test_of_progress_the_newest_wins() -> None:
    outbox = Outbox()
    for part in range(9):
        outbox.put(LoadProgress("a", part / 10, ""))
    outbox.put(LoadProgress("b", 0.0, ""))
    for done in range(9):
        outbox.put(ExtractProgress(done, 9))
    assert outbox.drain() == [LoadProgress("a", 0.8, ""), LoadProgress("b", 0.0, ""), ExtractProgress(8, 9)]


EVENTS = st.one_of(
    st.builds(lambda run, index: RunSteps(run, (step(index),), 1.0), st.integers(1, 2), st.integers(0, 99)),
    st.builds(lambda ref: LoadProgress(ref, None, ""), st.sampled_from("ab")),
    st.just(ExtractProgress(1, 2)),
    st.builds(lambda text: RecipeRefused(text, None), st.sampled_from("xyz")),
)


@given(st.lists(EVENTS, max_size=40), st.sets(st.integers(0, 40)))
def test_merging_keeps_every_step_and_the_order(events: list[Event], drains: set[int]) -> None:
    outbox, got = Outbox(), []
    for index, event in enumerate(events):
        outbox.put(event)
        if index in drains:
            got += outbox.drain()
    got += outbox.drain()
    assert flat(got) == flat(events)


def flat(events: list[Event]) -> list[object]:
    """Every step by itself, and of progress in a row one."""
    found: list[object] = []
    for event in events:
        entries: list[object] = [event]
        if isinstance(event, RunSteps):
            entries = [(event.run_id, one) for one in event.steps]
        elif found and isinstance(event, LoadProgress | ExtractProgress) and found[-1] == event:
            continue
        found += entries
    return found


# Speed


def test_speed_is_counted_over_the_last_moments_only() -> None:
    now = [0.0]
    speed = Speed(lambda: now[0])
    assert speed.tick() == 0.0
    for _ in range(20):
        now[0] += 1.0
        slow = speed.tick()
    assert slow == pytest.approx(1.0)
    for _ in range(round(WINDOW_SECONDS * 100) + LEAST):
        now[0] += 0.01
        fast = speed.tick()
    assert fast == pytest.approx(100.0)


# Loading


def test_a_model_comes_with_the_concepts_that_steer_it(loaded: Listener) -> None:
    assert len(loaded.all(EngineReady)) == 1
    assert {event.ref for event in loaded.all(LoadProgress)} == {"demo"}
    (event,) = loaded.all(ModelLoaded)
    assert event.info.ref == "demo"
    happy = next(summary for summary in event.vectors if summary.name == "happy")
    assert (happy.group, happy.has_vector, happy.best_layers) == ("emotions", True, (3, 4))
    assert (happy.default_recipe, happy.bundled, happy.problem) == ("happy:2@3-4", True, None)
    assert len(event.vectors) == 16


def test_on_another_model_nothing_is_made_until_it_is_asked_for(
    engine: Engine, listener: Listener, script: Script
) -> None:
    engine.send(LoadModel("other"))
    event = listener.wait(ModelLoaded)
    assert [(one.has_vector, one.default_recipe) for one in event.vectors if one.name == "sad"] == [(False, "sad")]
    assert ("extract", "") not in script.calls
    assert [name for name, _ in script.calls] == ["load"]


def test_a_broken_concept_file_is_listed_with_its_reason(engine: Engine, listener: Listener, paths: Paths) -> None:
    paths.concepts.mkdir(parents=True)
    (paths.concepts / "mine.toml").write_text("not toml")
    engine.send(LoadModel("demo"))
    last = listener.wait(ModelLoaded).vectors[-1]
    assert (last.name, last.has_vector) == ("mine", False)
    assert last.problem is not None
    assert "TOML" in last.problem


def test_a_failed_load_leaves_the_old_model_usable(engine: Engine, loaded: Listener, script: Script) -> None:
    script.load_errors["other"] = ModelError("the folder is gone", hint="`m` chooses another")
    engine.send(LoadModel("other"))
    failed = loaded.wait(LoadFailed)
    assert (failed.message, failed.hint, failed.cancelled) == ("the folder is gone", "`m` chooses another", False)
    engine.send(Generate(1, SHORT))
    assert loaded.wait(RunFinished).result.model.ref == "demo"


def test_an_error_nobody_foresaw_is_one_clean_line_and_its_traceback_goes_to_the_log(
    engine: Engine,
    loaded: Listener,
    script: Script,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    script.load_errors["other"] = ZeroDivisionError("\x1b[2Jboom\nboom")
    with caplog.at_level(logging.ERROR, "steer_tui"):
        engine.send(LoadModel("other"))
        failed = loaded.wait(LoadFailed)
    assert failed.message == "ZeroDivisionError: [2Jboom boom"
    assert failed.hint is not None
    assert "log" in failed.hint
    assert caplog.records[0].exc_info is not None
    assert capfd.readouterr() == ("", "")


def test_the_traceback_is_written_to_descriptor_2_while_the_workbench_is_open(
    engine: Engine, loaded: Listener, script: Script, capfd: pytest.CaptureFixture[str]
) -> None:
    script.load_errors["other"] = ZeroDivisionError("\x1b[2Jboom")
    with logged():
        engine.send(LoadModel("other"))
        loaded.wait(LoadFailed)
    written = capfd.readouterr().err
    assert "Traceback" in written and "ZeroDivisionError: [2Jboom" in written and "\x1b" not in written
    engine.send(LoadModel("other"))
    loaded.wait(LoadFailed)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("ref", "error", "smaller"),
    [
        ("org/large", OutOfMemory("too large", hint="smaller"), "org/small"),
        ("org/small", MemoryError(), "demo"),
        ("org/small", RuntimeError("DefaultCPUAllocator: can't allocate memory"), "demo"),
        ("/some/folder", OutOfMemory("too large"), "demo"),
        ("demo", MemoryError(), None),
        ("org/large", ModelError("no model"), None),
    ],
)
def test_what_does_not_fit_brings_an_offer(
    engine: Engine, listener: Listener, script: Script, ref: str, error: Exception, smaller: str | None
) -> None:
    script.load_errors[ref] = error
    engine.send(LoadModel(ref))
    assert listener.wait(LoadFailed).smaller == smaller


def test_a_load_is_given_up_at_once_even_where_it_does_not_listen(
    engine: Engine, loaded: Listener, script: Script
) -> None:
    script.load_seconds, script.is_deaf = 2.0, True
    engine.send(LoadModel("other"))
    loaded.wait(LoadProgress)
    watch = Stopwatch()
    engine.cancel_load()
    assert loaded.wait(LoadFailed, 0.0).cancelled
    assert watch.look() < 1.0
    engine.send(Generate(1, SHORT))
    assert loaded.wait(RunFinished).result.model.ref == "demo"
    after = loaded.events[loaded.events.index(loaded.all(LoadFailed)[0]) :]
    assert not any(isinstance(event, LoadProgress | ModelLoaded) for event in after)


def test_a_load_that_listens_ends_soon(engine: Engine, listener: Listener, script: Script) -> None:
    script.load_seconds = 60
    engine.send(LoadModel("demo"))
    listener.wait(LoadProgress)
    engine.cancel_load()
    script.load_seconds = 0
    engine.send(LoadModel("other"))
    assert listener.wait(ModelLoaded).info.ref == "other"


def test_another_load_takes_the_place_of_the_first(engine: Engine, listener: Listener, script: Script) -> None:
    script.holds_load = True
    engine.send(LoadModel("demo"))
    listener.wait(LoadProgress)
    engine.send(LoadModel("other"))
    failed = listener.wait(LoadFailed)
    assert (failed.ref, failed.cancelled) == ("demo", True)
    script.holds_load = False
    assert listener.wait(ModelLoaded).info.ref == "other"


def test_a_cancel_with_nothing_to_cancel_says_nothing(engine: Engine, loaded: Listener) -> None:
    engine.cancel_load()
    engine.stop_run()
    engine.change_recipe("sad")
    engine.send(Generate(1, SHORT))
    loaded.wait(RunFinished)
    assert loaded.all(LoadFailed) == []


def test_loading_stops_the_run_before_it(engine: Engine, loaded: Listener) -> None:
    engine.send(Generate(1, LONG))
    loaded.wait(RunSteps)
    engine.send(LoadModel("other"))
    assert loaded.wait(RunFinished).result.steered.finish == "cancelled"
    assert loaded.wait(ModelLoaded).info.ref == "other"


def test_an_engine_that_cannot_start_says_why_to_every_command(paths: Paths) -> None:
    engine = fake_engine(paths, Script(start_error=ImportError("libtorch is missing")))
    engine.start()
    listener = Listener(engine)
    for command in (LoadModel("demo"), Generate(1, SHORT), ExtractConcepts()):
        engine.send(command)
    for kind in (LoadFailed, RunFailed, ExtractFinished):
        assert "libtorch is missing" in str(listener.wait(kind).message)
    assert engine.shutdown(60.0)


# Generating


def test_a_run_streams_in_order_and_ends(engine: Engine, loaded: Listener) -> None:
    engine.send(Generate(7, SHORT))
    result = loaded.wait(RunFinished).result
    kinds = [type(event) for event in loaded.events if isinstance(event, RunStarted | RunSteps | RunFinished)]
    assert (kinds[0], kinds[-1]) == (RunStarted, RunFinished)
    steps = steps_of(loaded, 7)
    assert [one.index for one in steps] == [0, 1, 2, 3, 4]
    assert steered_text(steps) == result.steered.text
    assert result.steered.finish == "length"


def test_the_prompt_is_shown_clean_and_run_as_it_is(engine: Engine, loaded: Listener) -> None:
    request = replace(SHORT, prompt="a\x1b[31mb")
    engine.send(Generate(1, request))
    started = loaded.wait(RunStarted)
    assert (started.prompt_text, started.request) == ("a[31mb", request)


def test_a_stopped_run_ends_within_a_step(engine: Engine, loaded: Listener, script: Script) -> None:
    script.tokens_per_second = 50
    engine.send(Generate(1, LONG))
    loaded.wait(RunSteps)
    watch = Stopwatch()
    engine.stop_run()
    result = loaded.wait(RunFinished).result
    assert watch.look() < 5  # all of it would take half an hour
    assert result.steered.finish == "cancelled"
    assert len(result.steered.ids) == len(steps_of(loaded, 1))


def test_runs_that_wait_are_stopped_too(engine: Engine, loaded: Listener) -> None:
    for run_id in (1, 2, 3):
        engine.send(Generate(run_id, LONG))
    loaded.wait(RunSteps)
    engine.stop_run()
    finished = [loaded.wait(RunFinished) for _ in range(3)]
    assert [event.run_id for event in finished] == [1, 2, 3]
    assert {event.result.steered.finish for event in finished} == {"cancelled"}
    assert [event.run_id for event in loaded.all(RunStarted)] == [1]


def test_a_live_change_acts_and_a_refused_one_is_said(engine: Engine, loaded: Listener, script: Script) -> None:
    script.tokens_per_second = 200
    engine.send(Generate(1, LONG))
    loaded.wait(RunSteps)
    engine.change_recipe("happy:3@3-4")
    while not any(one.change for one in steps_of(loaded, 1)):
        time.sleep(0.01)
    engine.change_recipe("hapy:3")
    refused = loaded.wait(RecipeRefused)
    assert "hapy" in refused.message
    assert refused.hint is not None
    assert "happy" in refused.hint
    engine.change_recipe("happy:")
    assert "column" in loaded.wait(RecipeRefused).message
    engine.stop_run()
    (change,) = loaded.wait(RunFinished).result.request.changes
    assert change.recipe == "happy:3@3-4"
    assert next(one.index for one in steps_of(loaded, 1) if one.change) == change.step


def test_a_change_before_the_run_begins_is_not_lost(engine: Engine, listener: Listener, script: Script) -> None:
    script.holds_load = True
    engine.send(LoadModel("demo"))
    engine.send(Generate(1, SHORT))
    engine.change_recipe("sad")
    script.holds_load = False
    assert listener.wait(RunFinished).result.request.changes == (Change(0, "sad"),)


def test_speed_comes_with_the_steps(engine: Engine, loaded: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0.0, 0.01)  # of a machine that makes a hundred a second
    monkeypatch.setattr(worker, "Speed", lambda: Speed(lambda: next(clock)))
    engine.send(Generate(1, replace(SHORT, sampling=Sampling(max_tokens=60))))
    loaded.wait(RunFinished)
    assert loaded.all(RunSteps)[-1].tokens_per_second == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [("happy:", "column"), ("hapy", "hapy"), ("happy@99", ""), ("sad,hapy", "hapy")],
)
def test_a_recipe_that_cannot_be_run_is_said(engine: Engine, loaded: Listener, recipe: str, words: str) -> None:
    engine.send(Generate(1, replace(SHORT, recipe=recipe)))
    if words:
        assert words in loaded.wait(RunFailed).message
    engine.send(Generate(2, SHORT))
    while loaded.wait(RunFinished).run_id != 2:
        pass


def test_without_a_model_a_run_says_what_to_do(engine: Engine, listener: Listener) -> None:
    engine.send(Generate(1, SHORT))
    failed = listener.wait(RunFailed)
    assert (failed.message, failed.hint) == ("no model is loaded", "`m` chooses one")
    engine.send(ExtractConcepts())
    assert listener.wait(ExtractFinished).message == "no model is loaded"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("\x1b]0;boom\x07"),
        OutOfMemory("full", hint="less"),
        SystemExit(3),
        BaseException("bx"),
        KeyboardInterrupt(),
        GeneratorExit(),
    ],
)
def test_a_run_that_raises_leaves_the_engine_usable(
    engine: Engine, loaded: Listener, script: Script, error: BaseException
) -> None:
    script.run_error, script.run_error_step = error, 3
    engine.send(Generate(1, SHORT))
    failed = loaded.wait(RunFailed)
    assert not set("\x1b\x07") & set(failed.message)
    assert len(steps_of(loaded, 1)) == 3
    script.run_error = None
    engine.send(Generate(2, SHORT))
    assert loaded.wait(RunFinished).result.steered.finish == "length"
    assert script.open_runs == 0


def test_two_hundred_runs_of_which_half_are_stopped_or_raise(
    engine: Engine, loaded: Listener, script: Script, paths: Paths
) -> None:
    ends: dict[int, str] = {}
    for run_id in range(200):
        script.run_error = RuntimeError("boom") if run_id % 4 == 1 else None
        script.run_error_step = run_id % 5
        is_stopped = run_id % 4 == 3
        engine.send(Generate(run_id, LONG if is_stopped else SHORT))
        if is_stopped:
            if run_id % 8 == 3:
                loaded.wait(RunSteps)
            engine.stop_run()
        while run_id not in ends:
            for event in (*loaded.all(RunFinished), *loaded.all(RunFailed)):
                ends[event.run_id] = event.result.steered.finish if isinstance(event, RunFinished) else "failed"
    assert script.open_runs == 0
    expected = ["length", "failed", "length", "cancelled"]
    assert [ends[run_id] for run_id in range(200)] == expected * 50
    assert len(loaded.all(RunFinished)) + len(loaded.all(RunFailed)) == 200
    assert engine.shutdown(60.0)
    with Journal(paths.journal) as journal:
        kept = [entry.finish for entry in journal.list(1000)]
    assert kept.count("length") == 100
    assert kept.count("failed") == 50
    assert None not in kept


# Extracting


def test_vectors_that_a_run_needs_are_made_first(engine: Engine, listener: Listener, script: Script) -> None:
    engine.send(LoadModel("other"))
    engine.send(Generate(1, replace(SHORT, recipe="happy,calm?sad>0.5", changes=(Change(2, "angry"),))))
    assert listener.wait(RunFinished).result.steered.finish == "length"
    kinds = [type(event) for event in listener.events if not isinstance(event, LoadProgress | EngineReady)]
    order = [ModelLoaded, ExtractProgress, VectorsChanged, ExtractFinished, RunStarted]
    assert [kind for kind in dict.fromkeys(kinds) if kind in order] == order
    assert ("extract", "happy,calm,sad,angry") in script.calls
    (changed,) = listener.all(VectorsChanged)
    assert {one.name for one in changed.vectors if one.has_vector} == {"happy", "calm", "sad", "angry"}
    assert ("save", "calm") in script.calls
    engine.send(Generate(2, replace(SHORT, recipe="sad")))
    listener.wait(RunFinished)
    assert [name for name, _ in script.calls].count("extract") == 1


def test_all_missing_vectors_are_made_in_one_pass(engine: Engine, listener: Listener, script: Script) -> None:
    engine.send(LoadModel("other"))
    engine.send(ExtractConcepts())
    finished = listener.wait(ExtractFinished)
    assert (len(finished.names), finished.message) == (16, None)
    (changed,) = listener.all(VectorsChanged)
    assert all(one.has_vector for one in changed.vectors)
    engine.send(ExtractConcepts())
    assert listener.wait(ExtractFinished).names == ()
    assert [name for name, _ in script.calls].count("extract") == 1


def test_a_concept_written_meanwhile_is_found(engine: Engine, loaded: Listener, paths: Paths) -> None:
    paths.concepts.mkdir(parents=True)
    (paths.concepts / "mine.toml").write_text('name = "mine"\npositive = ["yes"]\nnegative = ["no"]')
    engine.send(Generate(1, replace(SHORT, recipe="mine:2")))
    assert loaded.wait(RunFinished).result.steered.finish == "length"
    assert loaded.all(ExtractFinished)[0].names == ("mine",)


@pytest.mark.parametrize("is_run", [True, False])
def test_an_extraction_can_be_stopped(engine: Engine, listener: Listener, script: Script, is_run: bool) -> None:
    script.extract_seconds = 60
    engine.send(LoadModel("other"))
    engine.send(Generate(1, SHORT) if is_run else ExtractConcepts())
    listener.wait(ExtractProgress)
    engine.stop_run()
    finished = listener.wait(ExtractFinished)
    assert (finished.names, finished.message) == ((), None)
    if is_run:
        assert listener.wait(RunFinished).result.steered.finish == "cancelled"
    assert listener.all(VectorsChanged) == []


@pytest.mark.parametrize("is_run", [True, False])
def test_an_extraction_that_raises_leaves_the_engine_usable(
    engine: Engine, listener: Listener, script: Script, is_run: bool
) -> None:
    script.extract_error = RuntimeError("boom")
    engine.send(LoadModel("other"))
    engine.send(Generate(1, SHORT) if is_run else ExtractConcepts(("happy",)))
    finished = listener.wait(ExtractFinished)
    if is_run:
        assert "boom" in listener.wait(RunFailed).message
    else:
        assert finished.message is not None
    script.extract_error = None
    engine.send(Generate(2, SHORT))
    assert listener.wait(RunFinished).run_id == 2


def test_vectors_that_cannot_be_kept_still_serve(engine: Engine, listener: Listener, script: Script) -> None:
    script.save_error = LibraryError("the disk is full", hint="free some space")
    engine.send(LoadModel("other"))
    engine.send(Generate(1, SHORT))
    assert listener.wait(RunFinished).result.steered.finish == "length"
    (notice,) = listener.all(Notice)
    assert "the disk is full" in notice.message
    engine.send(ExtractConcepts())
    finished = listener.wait(ExtractFinished)
    while not finished.message:
        finished = listener.wait(ExtractFinished)
    assert "the disk is full" in finished.message
    assert len(finished.names) == 15


def test_unknown_concepts_are_refused_with_the_nearest(engine: Engine, loaded: Listener) -> None:
    engine.send(ExtractConcepts(("hapy",)))
    finished = loaded.wait(ExtractFinished)
    assert finished.hint is not None
    assert "happy" in finished.hint


# The journal


def test_runs_are_in_the_journal(engine: Engine, loaded: Listener, script: Script, paths: Paths) -> None:
    engine.send(Generate(1, SHORT))
    result = loaded.wait(RunFinished).result
    script.run_error, script.run_error_step = RuntimeError("boom"), 2
    engine.send(Generate(2, SHORT))
    loaded.wait(RunFailed)
    assert engine.shutdown(60.0)
    with Journal(paths.journal) as journal:
        failed, finished = journal.list()
        record = journal.get(finished.id)
    assert record is not None
    assert record.result == result.to_json()
    assert failed.finish == "failed"
    assert failed.head == result.steered.text[: len(failed.head)] != ""


def test_a_journal_that_cannot_be_written_is_said_once_and_runs_go_on(paths: Paths) -> None:
    paths.state.parent.mkdir(parents=True, exist_ok=True)
    paths.state.write_text("a file where the folder should be")
    engine = fake_engine(paths)
    engine.start()
    listener = Listener(engine)
    engine.send(LoadModel("demo"))
    for run_id in range(3):
        engine.send(Generate(run_id, SHORT))
        listener.wait(RunFinished)
    assert engine.shutdown(60.0)
    (notice,) = listener.all(Notice)
    assert "not being kept" in notice.message
    assert notice.hint is not None


# Leaving


def test_an_engine_that_was_never_started_is_left_at_once(paths: Paths) -> None:
    assert fake_engine(paths).shutdown()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long this thread was ready to wait for others."""
    seconds: list[float] = []
    join = threading.Thread.join

    def noted(thread: threading.Thread, timeout: float | None = None) -> None:
        if threading.current_thread() is threading.main_thread():
            seconds.append(math.inf if timeout is None else timeout)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", noted)
    return seconds


@pytest.mark.parametrize("work", [LoadModel("other"), Generate(1, LONG), ExtractConcepts(("happy",))])
def test_leaving_never_waits_longer_than_a_second(paths: Paths, waits: list[float], work: Command) -> None:
    script = Script()
    engine = fake_engine(paths, script)
    engine.start()
    engine.send(LoadModel("demo"))
    listener = Listener(engine)
    listener.wait(ModelLoaded)
    script.is_deaf, script.load_seconds, script.extract_seconds, script.tokens_per_second = True, 30.0, 30.0, 1 / 3
    engine.send(work)
    if isinstance(work, LoadModel):
        while "reading" not in listener.wait(LoadProgress).note:
            pass
    elif isinstance(work, Generate):
        listener.wait(RunSteps)
    else:
        while script.calls[-1][0] != "extract":
            time.sleep(0.002)
    watch = Stopwatch()
    assert not engine.shutdown(1.0)
    assert sum(waits) <= 1.01 and watch.look() < 10
    script.is_deaf = False


def test_leaving_does_not_wait_for_torch_to_be_imported(paths: Paths, waits: list[float]) -> None:
    engine = fake_engine(paths, Script(start_seconds=20.0, is_deaf=True))
    engine.start()
    watch = Stopwatch()
    assert not engine.shutdown(1.0)
    assert sum(waits) <= 1.01 and watch.look() < 10


def test_text_that_streamed_is_on_disk_even_if_the_engine_hangs_at_the_end(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_JOURNAL_SECONDS", 60.0)  # of a disk that a busy machine shares
    script = Script(tokens_per_second=0.01, is_deaf=True)
    engine = fake_engine(paths, script)
    engine.start()
    listener = Listener(engine)
    engine.send(LoadModel("demo"))
    engine.send(Generate(1, LONG))
    text = steered_text(list(listener.wait(RunSteps).steps))
    assert not engine.shutdown(60.25)
    with Journal(paths.journal) as journal:
        assert [entry.head for entry in journal.list()] == [text]


def test_commands_after_the_end_do_nothing(paths: Paths) -> None:
    engine = fake_engine(paths)
    engine.start()
    assert engine.shutdown(60.0)
    engine.send(LoadModel("demo"))
    engine.stop_run()
    assert engine.shutdown(60.0)
    assert engine.drain()[1:] == []


def test_events_can_be_drained_while_commands_come_from_many_threads(engine: Engine, loaded: Listener) -> None:
    def work(first: int) -> None:
        for run_id in range(first, first + 20):
            engine.send(Generate(run_id, SHORT))
            engine.change_recipe("sad:2")

    threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    seen = {loaded.wait(RunFinished).run_id for _ in range(80)}
    for thread in threads:
        thread.join()
    assert len(seen) == 80


LEAVING = """
import sys
from pathlib import Path
from steer_tui.engine.types import Request, Sampling
from steer_tui.paths import find_paths
from steer_tui.session.messages import Generate, LoadModel, LoadProgress
from steer_tui.session.runner import leave
from tests.fakes import Listener, Script, fake_engine
from tests.stopwatch import Stopwatch
is_deaf = sys.argv[2] == "deaf"
engine = fake_engine(find_paths(Path(sys.argv[1])), Script(is_deaf=is_deaf, load_seconds=600))
engine.start()
engine.send(LoadModel("demo"))
listener = Listener(engine)
while "reading" not in listener.wait(LoadProgress).note:
    pass
print("last words", end="")
watch = Stopwatch()
has_ended = engine.shutdown(1.0 if is_deaf else 30.0)
assert has_ended != is_deaf
assert watch.look() < 10  # the load would take ten minutes
sys.exit(leave(7))
"""


@pytest.mark.parametrize("manner", ["deaf", "listening"])
def test_leaving_ends_the_process_with_its_status_and_its_last_words(tmp_path: Path, manner: str) -> None:
    command = [sys.executable, "-c", LEAVING, str(tmp_path), manner]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "last words", "")
