"""Hundreds of random keys, sizes, tokens and events: nothing that is pressed in whatever order ends the workbench."""

from __future__ import annotations

import random

import pytest
from textual import events

from steer_tui.engine.recipe import parse_recipe
from steer_tui.paths import Paths
from steer_tui.session.messages import ExtractFinished, ExtractProgress, LoadFailed, Notice, RunFailed
from steer_tui.tui.actions import ACTIONS
from tests.tui.desk import Bench, workbench
from tests.tui.fake import FakeEngine, summaries

SKIPPED = {"ctrl+q", "ctrl+z"}
KEYS = [key for action in ACTIONS for key in action.keys if key not in SKIPPED] + [
    *"abcdefghq:@,.~",
    "backspace",
    "delete",
]
STEPS = 250


async def act(bench: Bench, dice: random.Random) -> None:
    """Do one random thing."""
    engine = bench.engine
    match dice.randrange(12):
        case 0:
            engine.tick(dice.randrange(1, 30))
            bench.app.look_into_outbox()
        case 1:
            await bench.pilot.resize_terminal(dice.randrange(20, 210), dice.randrange(4, 60))
        case 2:
            engine.concepts = summaries(ready=dice.random() < 0.7)
            engine.layers = dice.choice((6, 12, 40))
            bench.app.load_model(dice.choice(("demo", "other")))
        case 3:
            engine.events.append(
                dice.choice(
                    (
                        LoadFailed("x", "failed", None, smaller=dice.choice((None, "small"))),
                        RunFailed(1, "failed", "hint"),
                        Notice("notice"),
                        ExtractProgress(3, 9),
                        ExtractFinished(("happy",)),
                    )
                )
            )
        case 4:
            if bench.app.focused is not None:
                bench.app.focused.post_message(events.Paste("happy:2,[/]\x1b[2J"))
        case _:
            await bench.press(dice.choice(KEYS))


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_pressed_the_workbench_goes_on(paths: Paths, seed: int) -> None:
    dice = random.Random(seed)
    async with workbench(paths, FakeEngine()) as bench:
        for _ in range(STEPS):
            await act(bench, dice)
            assert bench.app.is_running
            parse_recipe(bench.recipe)
            assert bench.app.bench.selected <= max(0, len(bench.app.bench.terms) - 1)
        await bench.resize(120, 36)
        for _ in range(3):
            await bench.press("escape")
        await bench.press("ctrl+q")
        assert bench.app.return_value == 0
