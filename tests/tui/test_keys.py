"""Every key of the contract, pressed on Steer, does what the contract says."""

from __future__ import annotations

import pytest

from steer_tui.paths import Paths
from steer_tui.session.messages import ExtractConcepts, ExtractFinished, ExtractProgress, Generate, LoadModel
from steer_tui.tui.actions import ACTIONS, PLACE_KEYS
from tests.tui.desk import workbench
from tests.tui.fake import FakeEngine, summaries


async def test_first_start_has_a_model_a_prompt_and_one_concept_that_works(paths: Paths) -> None:
    async with workbench(paths) as bench:
        assert bench.engine.calls[0] == "start"
        assert isinstance(bench.engine.sent[0], LoadModel) and bench.engine.sent[0].ref == "demo"
        assert bench.recipe == "happy:2@3-4"
        for words in ("The meeting went", "demo · cpu float32 · idle", "press r to run"):
            assert words in bench.screen


async def test_r_streams_both_texts_and_leaves_idle(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        assert "generating" in bench.screen
        await bench.tick(8)
        assert "went wonderfully, and" in bench.screen
        assert "on until noon" in bench.screen
        await bench.tick(100)
        assert "idle · 31 tok/s" in bench.screen
        assert "perplexity 6.1 / 5.2" in bench.screen
        assert "added 21% of norm" in bench.screen


async def test_run_asks_for_what_the_session_says(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate)
        assert (request.request.prompt, request.request.recipe) == ("The meeting went", "happy:2@3-4")
        assert request.request.baseline


async def test_r_while_loading_runs_when_the_model_is_there(paths: Paths) -> None:
    async with workbench(paths, FakeEngine(load_at_once=False)) as bench:
        await bench.press("r")
        assert "as soon as the model is there" in bench.toasts
        bench.engine.finish_load()
        await bench.settle()
        assert bench.engine.is_running


async def test_capital_r_takes_a_new_seed(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("R")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate) and request.request.sampling.seed != 0
        assert f"seed {request.request.sampling.seed}" in bench.screen


async def test_dot_repeats_the_last_run_with_its_live_changes(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(3)
        await bench.press("=")
        await bench.tick(100)
        await bench.press("=", ".")
        repeated = bench.engine.sent[-1]
        assert isinstance(repeated, Generate)
        assert repeated.request.recipe == "happy:2@3-4"
        assert [(change.step, change.recipe) for change in repeated.request.changes] == [(3, "happy:2.5@3-4")]


@pytest.mark.parametrize(
    ("key", "recipe"),
    [
        ("-", "happy:1.5@3-4"),
        ("=", "happy:2.5@3-4"),
        ("_", "happy:1.9@3-4"),
        ("+", "happy:2.1@3-4"),
        ("0", "happy:0@3-4"),
        ("[", "happy:2@2-3"),
        ("]", "happy:2@4-5"),
        ("{", "happy:2@3"),
        ("}", "happy:2@3-5"),
        ("o", "happy:2@3-4~keepnorm"),
        ("s", "happy:2@3-4/prompt"),
        ("space", ""),
    ],
)
async def test_a_key_changes_the_term_and_the_running_text(paths: Paths, key: str, recipe: str) -> None:
    async with workbench(paths) as bench:
        await bench.press(key)
        assert bench.recipe == recipe
        await bench.press("u")
        assert bench.recipe == "happy:2@3-4"
        await bench.press("r")
        await bench.tick(2)
        await bench.press(key)
        assert bench.engine.changes == [recipe]


async def test_space_switches_the_concept_under_the_cursor(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("j", "space")
        assert bench.recipe == "happy:2@3-4,sad:2@3-4"
        await bench.press("space")
        assert bench.recipe == "happy:2@3-4"


async def test_a_concept_without_a_vector_gets_one_and_is_switched_on(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.engine.concepts = summaries(ready=False)
        bench.app.load_model("other")
        await bench.settle()
        assert "◌ sad" in bench.screen
        await bench.press("j", "space")
        assert isinstance(bench.engine.sent[-1], ExtractConcepts)
        await bench.settle()
        assert bench.recipe == "happy:2@3-4,sad:2@3-4"
        assert "16 vectors made" in bench.toasts


async def test_r_while_vectors_are_made_runs_when_they_are_there(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.engine.events.append(ExtractProgress(1, 10))
        await bench.settle()
        assert "extracting" in bench.screen and " 10%" in bench.screen
        await bench.press("r")
        assert "as soon as the vectors are there" in bench.toasts and not bench.engine.is_running
        bench.engine.events.append(ExtractFinished(("happy",)))
        await bench.settle()
        assert bench.engine.is_running


async def test_a_held_key_that_cannot_act_says_so_once(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("space", *"======")
        assert bench.toasts.count("the recipe is empty") == 1


async def test_r_makes_the_vectors_that_the_recipe_lacks_and_then_runs(paths: Paths) -> None:
    async with workbench(paths) as bench:
        bench.engine.concepts = summaries(ready=False)
        bench.app.load_model("other")
        await bench.settle()
        await bench.press("r")
        await bench.settle()
        assert [type(command) for command in bench.engine.sent[-2:]] == [ExtractConcepts, Generate]


async def test_the_cursor_selects_the_term_that_keys_act_on(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("j", "space", "k", "=")
        assert bench.recipe == "happy:2.5@3-4,sad:2@3-4"
        await bench.press("tab", "j", "=")
        assert bench.place == "recipe"
        assert bench.recipe == "happy:2.5@3-4,sad:2.5@3-4"


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_esc_and_ctrl_c_stop_a_run(paths: Paths, key: str) -> None:
    async with workbench(paths) as bench:
        await bench.press("r")
        await bench.tick(3)
        await bench.press(key)
        assert not bench.engine.is_running
        assert "3 tokens, stopped" in bench.screen
        assert "idle" in bench.screen


async def test_ctrl_c_while_nothing_runs_says_how_to_quit(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("ctrl+c")
        assert "ctrl+q quits" in bench.toasts


async def test_esc_stops_a_load(paths: Paths) -> None:
    async with workbench(paths, FakeEngine(load_at_once=False)) as bench:
        await bench.press("escape")
        assert "cancel_load" in bench.engine.calls


async def test_b_hides_and_shows_the_baseline(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("b")
        assert " Baseline " not in bench.screen
        await bench.press("r")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate) and not request.request.baseline
        await bench.tick(100)
        await bench.press("b")
        assert " Baseline " in bench.screen


async def test_i_writes_the_prompt_and_enter_runs_it(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("i")
        await bench.type(" badly")
        await bench.press("ctrl+j")
        await bench.type("ok?")
        await bench.press("enter")
        request = bench.engine.sent[-1]
        assert isinstance(request, Generate) and request.request.prompt == "The meeting went badly\nok?"
        assert bench.place == "steered"
        await bench.press("escape", "u")
        assert bench.app.bench.prompt == "The meeting went"


async def test_letters_in_the_prompt_are_letters(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("i")
        await bench.type("=rq:z/ 12")
        assert bench.app.bench.prompt == "The meeting went=rq:z/ 12"
        assert bench.recipe == "happy:2@3-4"
        await bench.press("escape", "=")
        assert bench.recipe == "happy:2.5@3-4"


async def test_tab_walks_through_all_panes_and_back(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        seen = []
        for _ in range(6):
            seen.append(bench.place)
            await bench.press("tab")
        assert seen == ["concepts", "recipe", "steered", "baseline", "activations", "prompt"]
        await bench.press("shift+tab")
        assert bench.place == "prompt"


async def test_h_and_l_go_to_the_pane_beside(paths: Paths) -> None:
    async with workbench(paths) as bench:
        seen = []
        for key in ("l", "l", "h", "h"):
            await bench.press(key)
            seen.append(bench.place)
        assert seen == ["steered", "baseline", "steered", "concepts"]


async def test_g_and_capital_g_go_to_the_ends(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("G")
        assert bench.app.steer.concepts.current is not None
        assert bench.app.steer.concepts.current.name == "verbose"
        await bench.press("g")
        assert bench.app.steer.concepts.current.name == "happy"


async def test_z_gives_the_pane_the_whole_desk_and_back(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press("tab", "tab", "z")
        assert " Steered " in bench.screen and " Concepts " not in bench.screen
        await bench.press("tab")
        assert " Baseline " in bench.screen and " Steered " not in bench.screen
        await bench.press("escape")
        assert " Concepts " in bench.screen


@pytest.mark.parametrize(("tabs", "stays"), [(0, False), (1, False), (2, True), (4, True)])
async def test_a_run_is_seen_whatever_pane_has_the_whole_desk(paths: Paths, tabs: int, stays: bool) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.press(*["tab"] * tabs, "z", "r")
        await bench.tick(8)
        assert bool(bench.app.steer.desk.facts.zoomed) is stays
        assert "wonderfully, and" in bench.screen or " Activations " in bench.screen


async def test_slash_narrows_the_list_and_esc_clears_it(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("/")
        await bench.type("pess")
        assert "pessimistic" in bench.screen and "○ sad" not in bench.screen
        assert "1 of 16" in bench.screen
        await bench.press("enter", "space")
        assert bench.recipe == "happy:2@3-4,pessimistic:2@3-4"
        await bench.press("escape")
        assert "○ sad" in bench.screen


async def test_letters_in_the_filter_are_letters(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("/")
        await bench.type("rz=")
        assert bench.app.steer.concepts.filter_text == "rz="
        assert "no match" in bench.screen
        assert not bench.engine.is_running


async def test_e_edits_the_recipe_and_names_the_column_of_an_error(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("e")
        await bench.type(",sad:x")
        assert "is no number" in bench.screen and "column 17" in bench.screen
        await bench.press("enter")
        assert bench.recipe == "happy:2@3-4"
        await bench.press("backspace")
        await bench.type("1")
        await bench.press("enter")
        assert bench.recipe == "happy:2@3-4,sad"


async def test_the_editor_names_the_nearest_concept(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("e")
        await bench.type(",hapy")
        assert "no vector 'hapy'" in bench.screen and "did you mean happy" in bench.screen
        await bench.press("escape")
        assert bench.recipe == "happy:2@3-4"


async def test_m_offers_models_and_takes_any_ref(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("m")
        await bench.type("some-org/some-model")
        await bench.press("enter")
        last = bench.engine.sent[-1]
        assert isinstance(last, LoadModel) and last.ref == "some-org/some-model"
        assert "some-org/some-model · cpu float32" in bench.screen


async def test_t_wears_themes_and_esc_takes_them_off(paths: Paths) -> None:
    async with workbench(paths) as bench:
        before = bench.app.theme
        await bench.press("t", "down")
        assert bench.app.theme != before
        await bench.press("escape")
        assert bench.app.theme == before
        await bench.press("t")
        await bench.type("parch")
        await bench.press("enter")
        assert bench.app.theme == "parchment" == bench.app.bench.theme


async def test_question_mark_shows_the_keys(paths: Paths) -> None:
    async with workbench(paths, size=(120, 100)) as bench:
        await bench.press("?")
        for action in ACTIONS:
            if action.keys and action.place in ("", "steer"):
                assert action.help[:40] in bench.screen
        await bench.press("escape")
        assert " Steered " in bench.screen


@pytest.mark.parametrize("key", [":", "ctrl+p"])
async def test_the_palette_does_actions_by_name(paths: Paths, key: str) -> None:
    async with workbench(paths) as bench:
        await bench.press(key)
        await bench.type("strong")
        await bench.press("enter")
        assert bench.recipe == "happy:2.5@3-4"


async def test_the_palette_sets_values(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press(":")
        await bench.type("temperature 0.25")
        await bench.press("enter")
        assert bench.app.bench.sampling.temperature == 0.25
        await bench.press(":")
        await bench.type("new seed")
        await bench.press("enter")
        assert bench.engine.is_running
        await bench.press("escape", ":")
        await bench.type("tokens lots")
        await bench.press("enter")
        assert "is no number" in bench.toasts


async def test_the_palette_takes_keys_typed_ahead(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.pilot.press(":", "q", "enter")
        await bench.pilot.pause()
        assert bench.app.return_value == 0


async def test_ctrl_q_quits_from_anywhere(paths: Paths) -> None:
    for keys in ((), ("i",), ("e",), (":",), ("m",), ("2",), ("r",)):
        async with workbench(paths) as bench:
            await bench.press(*keys) if keys else None
            await bench.press("ctrl+q")
            assert bench.app.return_value == 0


async def test_a_click_selects_and_a_second_one_switches(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.pilot.click("#concepts", offset=(8, 5))
        await bench.settle()
        current = bench.app.steer.concepts.current
        assert current is not None and current.name == "angry" and bench.recipe == "happy:2@3-4"
        await bench.pilot.click("#concepts", offset=(8, 5))
        await bench.settle()
        assert bench.recipe == "happy:2@3-4,angry:2@3-4"
        await bench.pilot.click("#header", offset=(12, 0))
        await bench.settle()
        assert bench.app.current_mode == "sweep"


async def test_the_wheel_scrolls_and_hovering_changes_nothing(paths: Paths) -> None:
    async with workbench(paths, size=(80, 24)) as bench:
        await bench.pilot.hover("#concepts", offset=(8, 6))
        bench.app.steer.concepts.scroll_lines(3)
        await bench.settle()
        assert bench.app.steer.concepts.top == 3 and bench.recipe == "happy:2@3-4"


async def test_the_state_goes_on_below_a_dialog(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("r", "t")
        await bench.tick(100)
        await bench.press("escape")
        assert "idle · 31 tok/s" in bench.lines[0]


async def test_digits_show_the_six_screens(paths: Paths) -> None:
    async with workbench(paths) as bench:
        for key, name in PLACE_KEYS.items():
            await bench.press(name)
            assert bench.app.current_mode == key and bench.app.screen.is_current
            assert f"{name} {key.capitalize()}" in bench.lines[0]
        await bench.press("1")
        assert " Concepts " in bench.screen


async def test_actions_that_cannot_act_say_why(paths: Paths) -> None:
    async with workbench(paths) as bench:
        await bench.press("space", "=")
        assert "the recipe is empty" in bench.toasts
        await bench.press(".")
        assert "nothing to repeat" in bench.toasts
        await bench.press("3", "r")
        assert "works on Steer: press 1" in bench.toasts


async def test_n_asks_for_a_new_concept_on_every_screen(paths: Paths) -> None:
    async with workbench(paths) as bench:
        for place in ("1", "3", "5"):
            await bench.press(place, "n")
            assert " New concept " in bench.screen and "positive | negative" in bench.screen
            await bench.press("escape")
