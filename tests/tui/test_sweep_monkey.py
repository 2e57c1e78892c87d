"""Random keys, sizes, models and cells on Sweep and History: nothing that is pressed in whatever order ends them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from textual import events

from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.types import Request
from steer_tui.paths import Paths
from steer_tui.session.journal import Journal
from steer_tui.session.sweep_messages import SweepFailed
from steer_tui.tui.actions import ACTIONS
from steer_tui.tui.screens.sweep import SweepScreen
from tests.sweeps import all_cells
from tests.tui.desk import Bench, workbench
from tests.tui.fake import FakeEngine, model_info

SKIPPED = {"ctrl+q", "ctrl+z", "3", "4", "6", "t"}
HERE = ("", "steer", "sweep", "history")
KEYS = [key for action in ACTIONS if action.place in HERE for key in action.keys if key not in SKIPPED]
TYPED = [*"0123456789.,:+-", "backspace", "tab", "delete", "home", "ctrl+u"]
STEPS = 130


async def act(bench: Bench, dice: random.Random) -> None:
    """Do one random thing."""
    engine = bench.engine
    match dice.randrange(16):
        case 0 | 1 | 2:
            if engine.sweep is not None:
                engine.finish_cells(dice.randrange(1, 30))
        case 3:
            await bench.pilot.resize_terminal(dice.randrange(20, 210), dice.randrange(4, 60))
        case 4:
            engine.layers = dice.choice((2, 6, 40))
            bench.app.load_model(dice.choice(("demo", "other")))
        case 5:
            place = bench.app.places.get("sweep")
            if isinstance(place, SweepScreen) and place.board is not None and dice.random() < 0.3:
                engine.events.append(SweepFailed(place.board.uid, "failed", "hint"))
        case 6:
            if bench.app.focused is not None:
                bench.app.focused.post_message(events.Paste("happy + sad\n[/]\x1b[2J"))
        case 7 | 8 | 9:
            await bench.press(dice.choice(TYPED))
        case 10:
            await bench.press(dice.choice("25"))
        case _:
            await bench.press(dice.choice(KEYS))


@pytest.mark.parametrize("seed", (2,))
async def test_whatever_is_pressed_sweep_and_history_go_on(
    paths: Paths, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where exports land
    dice = random.Random(seed)
    with Journal(paths.journal) as journal:
        for number in range(150):
            journal.begin(model_info(), Request(f"prompt {number}", "happy"))
        request = SweepRequest(("Once",), ("happy", "sad", "calm"), mix=True, strengths=(0.0, 1.0))
        journal.sweeps.begin("mix", model_info(), request, all_cells(request)[:5])
    async with workbench(paths, FakeEngine()) as bench:
        await bench.press("2", "r")
        for _ in range(STEPS):
            await act(bench, dice)
            assert bench.app.is_running
        await bench.settle()
        for _ in range(4):
            await bench.press("escape")
        await bench.press("ctrl+q")
        assert bench.app.return_value == 0
