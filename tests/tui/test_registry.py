"""One registry feeds keys, footer, `?`, palette and README; keys.toml changes it without being able to break it."""

from __future__ import annotations

from pathlib import Path

import pytest

from steer_tui.paths import Paths
from steer_tui.tui.actions import ACTIONS, BY_ID, FOOTERS, key_table
from steer_tui.tui.app import SteerApp
from steer_tui.tui.app_actions import APP_ACTIONS
from steer_tui.tui.keymap import Keymap, is_key, load_keymap
from steer_tui.tui.screens.places import PLACES, make_place
from steer_tui.tui.screens.steer import SteerScreen
from tests.tui.desk import workbench

CONTRACT = (
    "1 2 3 4 5 6 tab shift+tab j k h l up down left right g G / space enter r R escape ctrl+c b - = _ + [ ] { } o s 0 "
    "i e n m y u z . t ? : ctrl+p ctrl+q"
)


def test_every_key_of_the_contract_has_exactly_one_action() -> None:
    for place in {action.place for action in ACTIONS}:
        keys = [key for action in ACTIONS if action.place == place for key in action.keys]
        assert len(keys) == len(set(keys)), place
    assert set(CONTRACT.split()) <= {key for action in ACTIONS if not action.place for key in action.keys}


def test_every_action_is_done_by_a_screen_or_by_the_app() -> None:
    for action in ACTIONS:
        place = type(make_place(action.place)) if action.place in PLACES else SteerScreen
        assert hasattr(place, f"act_{action.id}") or action.id in APP_ACTIONS, action.id
        assert action.help and action.label and action.group


def test_footers_name_actions_that_have_keys() -> None:
    for hints in FOOTERS.values():
        for hint in hints:
            assert all(BY_ID[action_id].keys for action_id in hint.ids)


def test_the_table_for_the_readme_names_every_key() -> None:
    table = key_table()
    assert table.startswith("| key | does |\n|---|---|\n")
    for action in ACTIONS:
        if action.keys:
            assert action.help in table


def test_bindings_are_the_registrys(paths: Paths) -> None:
    from steer_tui.config import load_config
    from tests.tui.fake import FakeEngine

    app = SteerApp(FakeEngine(), paths, load_config(paths))  # type: ignore[arg-type]
    bound = {binding.action for _, binding in app._bindings if "press(" in binding.action}
    assert bound == {f"app.press({key!r})" for action in ACTIONS for key in action.keys}
    for action in ACTIONS:
        assert all(app.keymap.action(key, action.place or "steer") == action.id for key in action.keys)


@pytest.mark.parametrize("key", ["f", "F", "+", "ctrl+x", "alt+shift+up", "f12", "space", ",", "é", "ctrl++"])
def test_keys_are_known(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize("key", ["", "ab", "ctrl+", "hyper+x", "\x1b", "ctrl+ab"])
def test_what_is_no_key_is_refused(key: str) -> None:
    assert not is_key(key)


def test_a_key_given_to_another_action_is_taken_from_its_own() -> None:
    keymap = Keymap({"run": ("g",)})
    assert keymap.keys("run") == ("g",)
    assert keymap.keys("first") == ("home",)
    assert "ctrl+q" in Keymap({"quit": ("f10",)}).keys("quit")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('rum = "x"', "did you mean run?"),
        ('run = "xyz"', "'xyz' is no key"),
        ("run = 3", "must be a key or a list of keys"),
        ('run = "x"\nundo = "x"', "x has two meanings"),
        ("run = ", "Invalid value"),
        ('"[/]\\u001b" = "x"', "no action"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'stronger = ["=", "w"]\n{line}\n' if "= \n" not in line + "\n" else line)
    keymap, problems = load_keymap(path)
    assert len(problems) == 1 and problem in problems[0] and "\x1b" not in problems[0]
    if "Invalid" not in problem:
        assert keymap.keys("stronger") == ("=", "w")


async def test_the_users_keys_act_and_show(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.keys_file.write_text('run = "f"\nstronger = ["w", ","]\nbogus = "x"\n')
    async with workbench(paths) as bench:
        assert "no action 'bogus'" in bench.toasts
        await bench.press("w", ",", "=")
        assert bench.recipe == "happy:3@3-4"
        bench.app.clear_notifications()
        await bench.settle()
        assert " f run" in bench.screen
        await bench.press("f")
        assert bench.engine.is_running
