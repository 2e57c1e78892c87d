"""Keys that arrive in one burst, as from a fast hand or over a slow line, act in the order they were pressed."""

from __future__ import annotations

import pytest

from steer_tui.paths import Paths
from steer_tui.session.messages import Generate
from tests.tui.desk import Bench, key_event, workbench

TEXT = "She opened the letter and"


def prompts(bench: Bench) -> list[str]:
    return [command.request.prompt for command in bench.engine.sent if isinstance(command, Generate)]


async def burst(bench: Bench, *keys: str) -> None:
    """Send keys to the app without letting it handle any in between."""
    assert bench.app._driver is not None
    for key in keys:
        bench.app._driver.send_message(key_event(bench.app, key))
    await bench.settle()


@pytest.mark.parametrize("text", [TEXT, "a", TEXT * 8])
async def test_enter_in_the_prompt_submits_the_whole_burst_before_it(paths: Paths, text: str) -> None:
    async with workbench(paths) as bench:
        await bench.press("i", "ctrl+u")
        await burst(bench, *text, "enter")
        assert prompts(bench) == [text]
        assert bench.app.bench.prompt == text


async def test_backspaces_and_new_lines_of_a_burst_act_in_their_order(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("i", "ctrl+u")
        await burst(bench, *"one twp", "backspace", "o", "ctrl+j", *"three", "enter")
        assert prompts(bench) == ["one two\nthree"]


async def test_a_burst_may_open_the_prompt_write_it_and_run_it(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await burst(bench, "i", *", and then", "enter")
        assert prompts(bench) == ["The meeting went, and then"]


async def test_a_burst_in_the_recipe_editor_acts_in_its_order(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("e", "ctrl+u")
        await burst(bench, *"sax", "backspace", *"d:1", "home", "delete", "s", "enter")
        assert bench.recipe == "sad"


async def test_a_burst_in_a_form_acts_in_its_order(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("n")
        await burst(bench, *"raim", "backspace", *"n")
        assert "rain" in bench.screen and "raim" not in bench.screen
