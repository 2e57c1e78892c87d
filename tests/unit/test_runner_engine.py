"""The engine thread over the engine itself, on a tiny random model: load, extract, steer, stop, and leave in time."""

from __future__ import annotations

import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.engine.types import Request, Sampling
from steer_tui.errors import OutOfMemory
from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.messages import (
    ExtractFinished,
    Generate,
    LoadFailed,
    LoadModel,
    ModelLoaded,
    RecipeRefused,
    RunFailed,
    RunFinished,
    RunSteps,
    VectorsChanged,
)
from steer_tui.session.runner import Engine
from steer_tui.session.tools import Tools, engine_tools
from tests.fakes import Listener
from tests.stopwatch import Stopwatch
from tests.unit.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
WAIT = 250.0
CONCEPT = """
name = "glad"
group = "emotions"
positive = ["I am so happy today", "What a wonderful morning", "How lovely it all is"]
negative = ["I am here today", "It is morning", "It is like this"]
"""
SHORT = Request("The meeting went", "glad:2@1", Sampling(max_tokens=8))
LONG = Request("The meeting went", "glad:2@1", Sampling(max_tokens=5000))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama"))


@pytest.fixture
def in_use() -> list[Any]:
    """Every model that was loaded."""
    return []


@pytest.fixture
def engine(paths: Paths, in_use: list[Any]) -> Iterator[Engine]:
    paths.concepts.mkdir(parents=True)
    (paths.concepts / "glad.toml").write_text(CONCEPT)

    def tools() -> Tools:
        usual = engine_tools()
        torch.set_num_threads(1)  # for so small a model, waiting for each other is most of what threads do

        def load(*args: Any, **options: Any) -> Any:
            in_use.append(usual.load(*args, **options))
            return in_use[-1]

        return replace(usual, load=load)

    made = Engine(paths, tools)
    threads = torch.get_num_threads()
    made.start()
    yield made
    torch.set_num_threads(threads)
    assert made.shutdown(60.0)


@pytest.fixture
def loaded(engine: Engine, model: str) -> Listener:
    listener = Listener(engine)
    engine.send(LoadModel(model))
    listener.wait(ModelLoaded, WAIT)
    return listener


def test_a_run_makes_its_vector_streams_and_is_kept(engine: Engine, loaded: Listener, paths: Paths) -> None:
    engine.send(Generate(1, SHORT))
    result = loaded.wait(RunFinished, WAIT).result
    assert loaded.all(ExtractFinished)[0].names == ("glad",)
    glad = next(one for one in loaded.all(VectorsChanged)[0].vectors if one.name == "glad")
    assert glad.has_vector
    assert glad.best_layers
    steps = [step for event in loaded.all(RunSteps) for step in event.steps]
    assert "".join(step.steered.text for step in steps if step.steered) == result.steered.text
    assert len(result.steered.ids) == 8
    assert result.measures is not None
    assert list(paths.vectors.glob("*/glad.safetensors"))
    assert engine.shutdown(60.0)
    with Journal(paths.journal) as journal:
        (entry,) = journal.list()
        record = journal.get(entry.id)
    assert record is not None
    assert record.result is not None
    assert record.result["steered"] == result.steered.to_json() | {"ids": list(result.steered.ids)}


def test_a_run_with_live_changes_replays_to_the_same_text(engine: Engine, loaded: Listener) -> None:
    engine.send(Generate(1, LONG))
    loaded.wait(RunSteps, WAIT)
    engine.change_recipe("glad:-3@2")
    while not any(step.change for event in loaded.all(RunSteps) for step in event.steps):
        time.sleep(0.01)
    engine.change_recipe("glad:2@77")
    assert "77" in loaded.wait(RecipeRefused, WAIT).message
    engine.stop_run()
    first = loaded.wait(RunFinished, WAIT).result
    assert first.steered.finish == "cancelled"
    length = len(first.steered.ids)
    sampling = Sampling(max_tokens=length)
    again = Request(first.request.prompt, first.request.recipe, sampling, changes=first.request.changes)
    engine.send(Generate(2, again))
    second = loaded.wait(RunFinished, WAIT).result
    assert second.steered.ids == first.steered.ids


def test_a_missing_folder_is_said_and_the_model_that_was_there_serves(engine: Engine, loaded: Listener) -> None:
    engine.send(LoadModel("/no/such/folder"))
    failed = loaded.wait(LoadFailed, WAIT)
    assert "/no/such/folder" in failed.message
    assert failed.hint is not None
    engine.send(Generate(1, SHORT))
    loaded.wait(RunFinished, WAIT)


def test_no_hook_is_left_after_two_hundred_runs_of_which_half_are_stopped_or_raise(
    engine: Engine, loaded: Listener, in_use: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from steer_tui.engine.decode import Decoder

    step = Decoder.step
    is_failing = False

    def stumbling(self: Decoder) -> Any:
        if is_failing:
            raise OutOfMemory("no memory left", hint="less")
        return step(self)

    monkeypatch.setattr(Decoder, "step", stumbling)
    ends: dict[str, int] = {}
    short = replace(SHORT, sampling=Sampling(max_tokens=3))
    for run_id in range(200):
        is_failing = run_id % 4 == 1
        is_stopped = run_id % 4 == 3
        engine.send(Generate(run_id, LONG if is_stopped else short))
        if is_stopped:
            loaded.wait(RunSteps, WAIT)
            engine.stop_run()
        if is_failing:
            loaded.wait(RunFailed, WAIT)
            end = "failed"
        else:
            end = loaded.wait(RunFinished, WAIT).result.steered.finish
        ends[end] = ends.get(end, 0) + 1
    assert ends == {"length": 100, "failed": 50, "cancelled": 50}
    (lm,) = in_use
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in lm.model.modules())


def test_the_old_model_is_let_go_when_the_new_one_is_there(
    engine: Engine, loaded: Listener, in_use: list[Any], model: str
) -> None:
    engine.send(Generate(1, SHORT))
    loaded.wait(RunFinished, WAIT)
    old = weakref.ref(in_use.pop().model)
    engine.send(LoadModel(model))
    loaded.wait(ModelLoaded, WAIT)
    engine.send(Generate(2, SHORT))  # begun when all that belongs to loading is done
    loaded.wait(RunFinished, WAIT)
    assert old() is None


LEAVING = """
import sys, time
from pathlib import Path
from steer_tui.engine.types import Request, Sampling
from steer_tui.paths import find_paths
from steer_tui.session.messages import EngineReady, Generate, LoadModel, LoadProgress, ModelLoaded, RunSteps
from steer_tui.session.runner import Engine, leave
from tests.fakes import Listener
home, model, moment = sys.argv[1:]
engine = Engine(find_paths(Path(home)))
engine.start()
listener = Listener(engine)
if moment != "starting":
    listener.wait(EngineReady, 250)
    engine.send(LoadModel(model))
    listener.wait(LoadProgress, 250)
if moment == "generating":
    listener.wait(ModelLoaded, 250)
    engine.send(Generate(1, Request("The meeting went", "", Sampling(max_tokens=100000))))
    listener.wait(RunSteps, 250)
else:
    time.sleep(0.2)
print("leaving", flush=True)
engine.shutdown(0.8)
sys.exit(leave(3))
"""


@pytest.mark.parametrize("moment", ["starting", "loading", "generating"])
def test_the_process_ends_cleanly_at_any_moment(tmp_path: Path, model: str, moment: str) -> None:
    command = [sys.executable, "-c", LEAVING, str(tmp_path), model, moment]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "leaving\n", process.stderr.read()
        watch = Stopwatch(process.pid)
        while process.poll() is None:
            watch.look()
            time.sleep(0.005)
        seconds = watch.look()
        assert (process.returncode, process.stderr.read()) == (3, "")
    assert seconds < 3.0  # a second on a quiet machine
