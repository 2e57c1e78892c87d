"""README says what is so: its commands, keys, recipes, options and picture are those of the product."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steer_tui.commands.arguments import PLACES, build_parser
from steer_tui.config import load_config
from steer_tui.engine.models import demo_folder
from steer_tui.engine.recipe import OPS, parse_recipe
from steer_tui.engine.scope import KINDS
from steer_tui.options import Options
from steer_tui.paths import Paths
from steer_tui.tui.actions import key_table
from steer_tui.tui.app import SteerApp
from tests.bench.picture import PICTURE, SIZE, THEME, drawing, screen_lines
from tests.tui.fake import FakeEngine

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = 24
"""Lines."""

SET_UP = [
    "    pip install -c constraints.txt . && steer-tui          # the workbench, on the built-in demo model, offline",
    "    pip install -c constraints.txt '.[test]' && pytest     # the whole test suite, offline",
]


def block(name: str) -> str:
    """Return what stands between the two markers of that name."""
    found = re.search(rf"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", README, re.DOTALL)
    assert found is not None, f"README has no block {name}"
    return found[1].strip()


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found is not None, f"README has no section {title}"
    return found[1]


def first_cells(table: str) -> list[str]:
    """Return the first cells of the rows of the tables in a text, heads and rules left out."""
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| `")]


def test_the_first_screen_holds_exactly_the_two_commands() -> None:
    indented = [line for line in README.splitlines()[:FIRST_SCREEN] if line.startswith("    ")]
    assert indented[: len(SET_UP)] == SET_UP
    assert README.count("pip install -c constraints.txt") == len(SET_UP)


def test_the_keys_are_those_of_the_registry() -> None:
    assert block("keys") == key_table()


def test_every_recipe_shown_parses() -> None:
    shown = re.findall(r"^ {4}(\S+) {2,}", section("Recipes"), re.MULTILINE)
    assert len(shown) >= 6
    for recipe in shown:
        assert str(parse_recipe(recipe))


def test_the_operations_and_scopes_are_those_of_the_engine() -> None:
    words = " ".join(first_cells(section("Recipes")))
    for name in (*OPS, *KINDS):
        assert re.search(rf"`{name}\b", words), name


def test_the_commands_are_those_of_the_command_line() -> None:
    table = " ".join(first_cells(section("Command line")))
    shown = {words.split()[0] for words in re.findall(r"`([^`]+)`", table)}
    action = next(action for action in build_parser()._actions if action.dest == "command")
    assert shown == set(action.choices or ())


def test_every_option_shown_exists() -> None:
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    action = next(action for action in build_parser()._actions if action.dest == "command")
    known = build_parser().format_help() + "".join(
        parser.format_help() for parser in dict(action.choices or {}).values()
    )
    assert shown <= set(re.findall(r"--[a-z][a-z-]+", known))


def test_every_place_shown_can_be_located() -> None:
    shown = re.findall(r"steer-tui locate (\w+)", README)
    assert shown
    assert set(shown) <= set(PLACES)


@pytest.mark.skipif(not (demo_folder() / "model.safetensors").is_file(), reason="the demo model is not built")
def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"```python\n(.*?)```", section("Python"), re.DOTALL)
    assert found is not None
    exec(compile(found[1], "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 3


def test_no_block_is_empty() -> None:
    for name in re.findall(r"<!-- (\w+): begin -->", README):
        assert block(name), name


def frame(svg: str) -> list[tuple[int, list[str]]]:
    """Return what of a screen does not depend on the model: names of panes by line, keys below."""
    lines = screen_lines(svg)
    titles = [(number, re.findall(r"[╭┏][─━] (\w+) [─━]", line)) for number, line in enumerate(lines)]
    return [(number, names) for number, names in titles if names] + [(len(lines), re.findall(r"\S+", lines[-1]))]


async def test_the_picture_shows_the_screen_as_it_is(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    engine = FakeEngine()
    app = SteerApp(engine, paths, load_config(paths), Options(theme=THEME))  # type: ignore[arg-type]
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.2)
        await pilot.press("r")
        await pilot.pause(0.2)
        engine.tick(1000)
        await pilot.pause(0.3)
        live = drawing(app)
    kept = PICTURE.read_text(encoding="utf-8")
    assert "docs/steer.svg" in block("picture")
    names = [name for _, found in frame(live) for name in found]
    assert {"Concepts", "Recipe", "Steered", "Baseline", "Activations", "Prompt"} <= set(names)
    assert [name for _, found in frame(kept) for name in found] == names
    assert len(screen_lines(kept)) == len(screen_lines(live))
    assert all(word in screen_lines(kept)[0] for word in ("Steer", "demo", "idle"))
