"""Hooks through the engine thread and the journal: passed on unchanged, changed live, replayed, failures survived."""

from __future__ import annotations

import time
from pathlib import Path

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.types import Request, Sampling
from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.messages import ExtractFinished, Generate, RecipeRefused, RunFailed, RunFinished, RunSteps
from steer_tui.session.runner import Engine
from tests.fakes import Listener
from tests.unit.test_runner_engine import WAIT, engine, in_use, loaded, model

__all__ = ["engine", "in_use", "loaded", "model"]  # fixtures

POINT = "blocks.1.hook_resid_post"
ADD = HookSpec(POINT, "add", (("vector", "glad"), ("strength", 4.0)))
SCALE = HookSpec("blocks.0.hook_mlp_out", "scale", (("factor", 0.0),))
OWN = HookSpec(POINT, "file", (("name", "double"),))


def test_a_run_with_hooks_is_kept_and_replays(engine: Engine, loaded: Listener, paths: Paths, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def double(activation, hook):\n    return activation * 2\n")
    asked = Request("The meeting went", "", Sampling(max_tokens=5000), hooks=(ADD, OWN), hook_file=str(own))
    engine.send(Generate(1, asked))
    loaded.wait(RunSteps, WAIT)
    assert loaded.all(ExtractFinished)[0].names == ("glad",), "made for the hook that names it"
    engine.change_hooks((HookSpec("nowhere", "scale"),), None)
    assert "hook nowhere=scale: no hook point" in loaded.wait(RecipeRefused, WAIT).message
    engine.change_hooks((SCALE, OWN), None)
    while not any(step.changed for event in loaded.all(RunSteps) for step in event.steps):
        time.sleep(0.01)
    engine.stop_run()
    first = loaded.wait(RunFinished, WAIT).result
    (change,) = first.request.changes
    assert change.hooks == (SCALE, OWN) and change.hook_file == str(own) and first.request.hooks == (ADD, OWN)
    assert [report.spec for report in first.hooks] == [ADD, OWN, SCALE]
    # What is on disk says all of it while the program still runs, and after it.
    deadline = time.monotonic() + WAIT
    record = None
    while record is None or record.result is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        with Journal(paths.journal) as journal:
            record = journal.get(journal.list()[0].id)
    assert record.request == first.request and record.entry.hooks
    length = len(first.steered.ids)
    engine.send(Generate(2, Request(**{**fields(record.request), "sampling": Sampling(max_tokens=length)})))
    second = loaded.wait(RunFinished, WAIT).result
    assert second.steered.ids == first.steered.ids and second.request.changes == first.request.changes


def fields(request: Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in Request.__slots__}


def test_a_hook_that_fails_ends_its_run_alone(engine: Engine, loaded: Listener, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    plain = Request("The meeting went", "", Sampling(max_tokens=4))
    engine.send(Generate(1, plain))
    wanted = loaded.wait(RunFinished, WAIT).result.steered.ids
    for number, (text, said) in enumerate(
        (
            ("def double(activation, hook):\n    return activation[:1, :1]\n", "(line 1 of"),
            ("def double(activation, hook)\n", "own.py, line 1: SyntaxError"),
            ("def double(activation, hook):\n    raise SystemExit\n", "SystemExit"),
            ("raise SystemExit(1)\n", "own.py, line 1: SystemExit"),
        )
    ):
        own.write_text(text)
        engine.send(Generate(10 + number, Request(plain.prompt, "", plain.sampling, hooks=(OWN,), hook_file=str(own))))
        assert said in loaded.wait(RunFailed, WAIT).message
        engine.send(Generate(20 + number, plain))
        assert loaded.wait(RunFinished, WAIT).result.steered.ids == wanted
