"""A dialog answers once: more keys in one burst with the one that closed it close nothing else, and end nothing."""

from __future__ import annotations

import pytest

from steer_tui.paths import Paths
from tests.tui.desk import workbench
from tests.tui.test_prompt_burst import burst

LAST = [
    ("?", "q"),
    ("?", "escape"),
    ("m", "enter"),
    ("t", "enter"),
    ("e", "enter"),
    (":", "enter"),
    ("n", "escape"),
    ("3c", "ctrl+g"),
    ("4c", "enter"),
]


@pytest.mark.parametrize(("way", "last"), LAST)
async def test_the_key_that_closes_a_dialog_may_come_more_than_once(paths: Paths, way: str, last: str) -> None:
    async with workbench(paths) as bench:
        await bench.press(*way[:-1])
        below = bench.app.screen
        await bench.press(way[-1])
        assert bench.app.screen is not below
        await burst(bench, last, last, last)
        assert bench.app.is_running and below in bench.app.screen_stack


async def test_a_recipe_that_is_entered_twice_is_one_change(paths: Paths) -> None:
    async with workbench(paths) as bench:
        before = bench.recipe
        await bench.press("e", "ctrl+u", *"sad")
        await burst(bench, "enter", "enter")
        assert bench.recipe == "sad"
        await bench.press("u")
        assert bench.recipe == before
