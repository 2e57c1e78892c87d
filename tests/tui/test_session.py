"""What a person made is there at the next start, and undo, saving and failing disks do what they should."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from steer_tui.errors import LibraryError
from steer_tui.paths import Paths
from steer_tui.session.messages import ExtractFinished, LoadFailed, LoadModel, Notice, RunFailed
from steer_tui.session.session_file import load_session
from steer_tui.session.state import Workbench
from steer_tui.tui.saver import PAUSE, Saver
from tests.tui.desk import workbench
from tests.tui.fake import FakeEngine


async def test_the_session_is_there_at_the_next_start(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("j", "space", "=", "b", "tab", "z")
        await bench.press("i")
        await bench.type("!")
        await bench.press("ctrl+q")
    async with workbench(paths) as bench:
        assert bench.recipe == "happy:2@3-4,sad:2.5@3-4"
        assert bench.app.bench.prompt == "The meeting went!"
        assert not bench.app.bench.baseline
        assert bench.app.steer.desk.facts.zoomed == "prompt"


async def test_the_model_and_the_theme_are_the_last_ones(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.app.load_model("other")
        await bench.settle()
        bench.app.set_theme("parchment")
        await bench.press("ctrl+q")
    async with workbench(paths) as bench:
        first = bench.engine.sent[0]
        assert isinstance(first, LoadModel) and first.ref == "other"
        assert bench.app.theme == "parchment"


async def test_a_change_reaches_the_disk_soon_without_quitting(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("=")
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            await bench.pilot.pause(PAUSE / 4)
            if load_session(paths.session).bench.recipe_text == "happy:2.5@3-4":
                return
        pytest.fail("the change was not saved")


async def test_a_recipe_that_was_emptied_stays_empty(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("space", "ctrl+q")
    async with workbench(paths) as bench:
        assert bench.recipe == ""


async def test_a_start_that_was_left_before_the_model_was_there_is_a_first_one_still(paths: Paths) -> None:
    async with workbench(paths, FakeEngine(load_at_once=False)) as bench:
        await bench.press("ctrl+q")
    assert paths.session.exists()
    async with workbench(paths) as bench:
        assert bench.recipe == "happy:2@3-4"


async def test_a_broken_session_file_is_told_and_kept(paths: Paths) -> None:
    paths.state.mkdir(parents=True)
    paths.session.write_text("{not json")
    async with workbench(paths) as bench:
        assert "broken" in bench.toasts
        assert bench.app.bench.prompt == "The meeting went"
    assert Path(f"{paths.session}.broken").read_text() == "{not json"


async def test_undo_takes_back_typing_at_once_and_steps_one_by_one(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("=", "=", "i")
        await bench.type(" off well")
        await bench.press("escape", "u")
        assert bench.app.bench.prompt == "The meeting went"
        assert bench.app.steer.prompt.text == "The meeting went"
        await bench.press("u")
        assert bench.recipe == "happy:2.5@3-4"
        await bench.press("u", "u", "u")
        assert bench.recipe == ""
        assert "nothing to undo" in bench.toasts


async def test_a_failed_load_keeps_the_model_there_was(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.engine.fail = LoadFailed("big", "no room for big", "m chooses a smaller one")
        bench.app.load_model("big")
        await bench.settle()
        assert "no room for big" in bench.toasts and "m chooses a smaller one" in bench.toasts
        assert "demo · cpu float32 · failed" in bench.screen
        await bench.press("r")
        await bench.tick(100)
        assert "idle" in bench.screen and "perplexity" in bench.screen


async def test_a_smaller_model_is_offered_when_memory_is_short(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.engine.fail = LoadFailed("big", "no room", None, smaller="small")
        bench.app.load_model("big")
        await bench.settle()
        assert "Load small instead?" in bench.screen
        bench.engine.fail = None
        await bench.press("enter")
        assert "small · cpu" in bench.screen


async def test_a_failed_first_load_says_what_to_press(paths: Paths) -> None:
    async with workbench(paths, FakeEngine(fail=LoadFailed("demo", "the demo is missing", None))) as bench:
        assert "no model: m chooses one" in bench.screen
        await bench.press("r")
        assert "no model yet: m chooses one" in bench.toasts


async def test_a_failed_run_says_why_and_leaves_the_rest_usable(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(2)
        bench.engine.events.append(RunFailed(1, "out of memory", "fewer tokens need less"))
        await bench.settle()
        assert "out of memory" in bench.toasts and "failed" in bench.screen
        bench.engine._run = None
        await bench.press("r")
        await bench.tick(100)
        assert "idle" in bench.screen


async def test_notices_and_failed_extractions_are_told(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.engine.events += [Notice("the journal is full"), ExtractFinished((), "no pairs", "write some")]
        await bench.settle()
        assert "the journal is full" in bench.toasts and "no pairs" in bench.toasts


def test_the_saver_tells_of_a_full_disk_once_and_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    written: list[Workbench] = []
    full = True

    def write(state: Workbench) -> None:
        if full:
            raise LibraryError("no space left")
        written.append(state)

    saver = Saver(write, told.append)
    first = Workbench()
    saver.later(first)
    saver.now()
    saver.now()
    assert told == ["no space left"]
    full = False
    newest = replace(first, prompt="x")
    saver.later(newest)
    saver.finish(2.0)
    assert written == [newest]


async def test_first_start_takes_sampling_from_the_settings(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.config_file.write_text("temperature = 0\nmax_tokens = 9\n")
    async with workbench(paths) as bench:
        assert "greedy, 9 tokens, seed 0" in bench.screen
    assert json.loads(paths.session.read_text())["sampling"]["max_tokens"] == 9
