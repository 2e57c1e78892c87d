"""A new concept from `n`: typed, pasted or from a file, judged while it is typed, made, and steered with."""

from __future__ import annotations

import json
from pathlib import Path

from textual import events

from steer_tui.engine.tokensread import ShownText, ShownToken
from steer_tui.errors import UsageError
from steer_tui.library.concepts import load_concepts
from steer_tui.paths import Paths
from steer_tui.session.concept_draft import ConceptDraft
from steer_tui.session.library_messages import MakeConcept, ShowTokens, TokensShown
from steer_tui.session.task import Task
from tests.tui.desk import Bench, workbench
from tests.tui.library_desk import LibraryEngine
from tests.tui.test_hostile import NASTY, assert_harmless
from tests.tui.test_prompt_burst import burst
from tests.tui.test_with_engine import until

PAIRS = ("wet | dry", "rain | sun", "soaked through | warm")


async def write(bench: Bench, name: str = "rain", pairs: tuple[str, ...] = PAIRS) -> None:
    """Open the form and fill it."""
    await bench.press("n")
    if name:
        await paste(bench, name)
    await bench.press("enter")
    await paste(bench, "\n".join(pairs))


async def paste(bench: Bench, text: str) -> None:
    assert bench.app.focused is not None
    bench.app.focused.post_message(events.Paste(text))
    await bench.settle()


async def test_three_typed_pairs_make_a_vector_that_one_key_steers_with(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    async with workbench(paths, engine, size=(80, 24)) as bench:
        await bench.press("n", *"rain", "enter", *PAIRS[0], "enter", *PAIRS[1], "enter", *PAIRS[2])
        assert "3 pairs" in bench.screen and "enough for a first try" in bench.screen
        await bench.press("ctrl+g")
        sent = engine.sent[-1]
        assert isinstance(sent, MakeConcept) and (sent.name, sent.method, sent.read) == ("rain", "mean", "auto")
        assert " New vector " in bench.screen and "0.90  0.20   20%" in bench.screen
        assert "use 2-3" in bench.screen and "enter steer with it" in bench.screen
        await bench.press("enter")
        assert bench.recipe.endswith(",rain")
        assert bench.app.current_mode == "steer" and "rain" in bench.app.known
    bench.app.drafts.saver.finish(1.0)
    assert engine.names() == ["rain"]
    concept = next(concept for concept in load_concepts(paths)[0] if concept.name == "rain")
    assert concept.positive == ("wet", "rain", "soaked through") and not concept.bundled
    assert not paths.concept_draft.exists()


async def test_what_is_typed_ahead_lands_in_its_field(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await bench.press("n")
        for key in ("r", "enter", *"a | b"):  # no settling in between
            bench.app._driver.send_message(_key(bench, key))  # type: ignore[union-attr]
        await bench.settle()
        await bench.settle()
        form = bench.app.screen
        assert form.name_line.value == "r" and form.pairs.text == "a | b"  # type: ignore[attr-defined]


def _key(bench: Bench, key: str) -> events.Key:
    name = {"|": "vertical_line", " ": "space"}.get(key, key)
    event = events.Key(name, "\r" if key == "enter" else key if len(key) == 1 else None)
    event.set_sender(bench.app)
    return event


async def test_problems_are_said_while_typing_and_good_pairs_are_counted(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await write(bench, pairs=("wet | dry", "rain"))
        assert "1 pair" in bench.screen and "line 2 has no `|`" in bench.screen
        await bench.press("ctrl+g")
        assert not any(isinstance(command, MakeConcept) for command in bench.engine.sent)
        await paste(bench, " | sun")
        assert "2 pairs" in bench.screen and "1 more for a first try" in bench.screen


async def test_a_form_without_a_name_or_with_a_bad_one_says_so(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await write(bench, name="")
        assert "it needs a name" in bench.screen
        await bench.press("shift+tab")
        await bench.type("a/b")
        assert "cannot be a name" in bench.screen
        await bench.press("ctrl+g")
        assert not any(isinstance(command, MakeConcept) for command in bench.engine.sent)


async def test_pasted_csv_json_and_toml_are_recognised(paths: Paths) -> None:
    forms = {
        "CSV": "positive,negative\nwet,dry\nrain,sun\n",
        "JSON": "\n".join(json.dumps({"positive": a, "negative": b}) for a, b in (("wet", "dry"), ("rain", "sun"))),
        "TOML": 'name = "rain"\npositive = ["wet", "rain"]\nnegative = ["dry", "sun"]\n',
    }
    async with workbench(paths, LibraryEngine(paths)) as bench:
        for form, text in forms.items():
            bench.app.drafts.keep(ConceptDraft())
            await bench.press("n", "tab")
            await paste(bench, text.replace("\n", "\r"))  # as terminals end lines
            assert f"2 pairs, {form}" in bench.screen
            name = bench.app.screen.name_line.value  # type: ignore[attr-defined]
            assert name == ("rain" if form == "TOML" else "")
            await bench.press("escape")


async def test_two_words_are_a_pair(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await write(bench, pairs=("Love - Hate",))
        assert "1 pair" in bench.screen and "words alone point roughly" in bench.screen


async def test_a_path_is_read_off_the_screens_thread(paths: Paths, tmp_path: Path) -> None:
    path = tmp_path / "rain pairs.csv"
    path.write_text("positive,negative\n" + "wet,dry\n" * 12)
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await write(bench, pairs=(str(path),))
        await until(lambda: "12 pairs, CSV, from rain pairs.csv" in bench.screen)
        await bench.settle()
        await bench.press("ctrl+g")
        assert " New vector " in bench.screen


async def test_esc_keeps_a_draft_and_n_goes_on_with_it(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await write(bench)
        await bench.press("escape")
        assert "kept as a draft" in bench.toasts and " New concept " not in bench.screen
        await bench.press("n")
        assert "soaked through | warm" in bench.screen and "3 pairs" in bench.screen
    bench.app.drafts.saver.finish(1.0)
    async with workbench(paths, LibraryEngine(paths)) as bench:  # another start
        await bench.press("n")
        assert "soaked through | warm" in bench.screen and "rain" in bench.screen


async def test_a_blank_form_leaves_without_a_word(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await bench.press("n", "escape")
        assert bench.toasts == "" and not paths.concept_draft.exists()


async def test_esc_stops_the_making_and_leaves_nothing_behind(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    async with workbench(paths, engine) as bench:
        await write(bench)
        engine.is_slow = True
        await bench.press("ctrl+g")
        assert "esc stops" in bench.screen
        await bench.press("escape")
        engine.catch_up()
        await bench.settle()
        assert "stopped: nothing was made" in bench.toasts and " New concept " in bench.screen
        assert "3 pairs" in bench.screen and "idle" in bench.app.status.word
        await bench.press("ctrl+g", "escape", "escape")
        assert " New concept " not in bench.screen
        engine.catch_up()
        await bench.settle()
    assert engine.names() == [] and not (paths.concepts / "rain.toml").exists()


async def test_a_failure_is_told_and_the_form_stays(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    engine.tools.error = UsageError("concept 'rain' has too little to say", hint="say more")
    async with workbench(paths, engine) as bench:
        await write(bench)
        await bench.press("ctrl+g")
        assert "too little to say" in bench.toasts and "say more" in bench.toasts and "3 pairs" in bench.screen


async def test_what_is_asked_while_the_model_loads_is_made_when_it_is_there(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    engine.load_at_once = False
    async with workbench(paths, engine) as bench:
        await write(bench)
        assert "as soon as the model is loaded" in bench.screen
        engine.is_slow = True  # as the queue behind a load is
        await bench.press("ctrl+g")
        engine.finish_load()
        engine.catch_up()
        await bench.settle()
        assert " New vector " in bench.screen


async def test_method_and_read_position_are_chosen_with_arrows(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    async with workbench(paths, engine) as bench:
        await write(bench)
        await bench.press("tab", "right")
        assert "first component of the pair differences" in bench.screen
        await bench.press("tab", "right", "right", "4")
        assert "‹last:4›" in bench.screen
        await bench.press("tab", "enter")
        sent = engine.sent[-1]
        assert isinstance(sent, MakeConcept) and (sent.method, sent.read) == ("pca", "last:4")


async def test_a_read_position_that_lacks_its_text_is_refused(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await write(bench)
        await bench.press("tab", "tab", "right", "right", "right")
        assert "needs the text to read after" in bench.screen
        await bench.type("Answer:")
        assert "‹after:Answer:›" in bench.screen and "needs the text" not in bench.screen


async def test_a_name_that_is_taken_says_what_becomes_of_the_other(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    async with workbench(paths, engine) as bench:
        await write(bench, name="happy")
        assert "in place of the built-in one" in bench.screen
        for key in ("ctrl+g", "escape", "3", "/"):
            await bench.press(key)
        await paste(bench, "happy")
        await bench.press("enter")
        assert "your own of this name is used" in bench.screen
        await bench.press("j")
        assert "wins over the built-in one" in bench.screen
        await write(bench, name="happy", pairs=("glad | sad",))
        assert "goes to the trash" in bench.screen
        await bench.press("ctrl+g")
        await bench.press("escape")
        assert engine.names() == ["happy"] and len(engine.store.trash()) == 1
        await bench.press("u")
        entry = next(entry for entry in engine.store.list() if not entry.bundled)
        assert entry.meta is not None and entry.meta.pairs == 3


async def test_the_examples_can_be_changed_after_a_look_at_the_figures(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths)) as bench:
        await write(bench)
        await bench.press("ctrl+g")
        await bench.press("e")
        assert " New concept " in bench.screen and "soaked through | warm" in bench.screen


async def test_hostile_examples_and_names_do_no_harm(paths: Paths) -> None:
    async with workbench(paths, LibraryEngine(paths), size=(80, 24)) as bench:
        for text in list(NASTY.values())[::2]:
            bench.app.drafts.keep(ConceptDraft())
            await bench.press("n")
            await paste(bench, text)
            await bench.press("tab")
            await paste(bench, f"{text[:200]} | {text[:200]}")
            assert_harmless(bench)
            await bench.press("tab", "tab", "right", "right", "right")
            await paste(bench, text)
            assert_harmless(bench)
            await bench.press("ctrl+g", "escape", "escape")
            assert bench.app.is_running


async def test_what_is_typed_right_before_making_counts(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    async with workbench(paths, engine) as bench:
        await write(bench)
        for key in ("tab", "right", "tab", "right", "right", "7", "ctrl+g"):  # no settling in between
            bench.app._driver.send_message(_key(bench, key))  # type: ignore[union-attr]
        await bench.settle()
        await bench.settle()
        sent = engine.sent[-1]
        assert isinstance(sent, MakeConcept) and (sent.method, sent.read) == ("pca", "last:7")


async def test_a_form_that_is_done_closes_with_the_tokens_over_it(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    async with workbench(paths, engine) as bench:
        engine.work[ShowTokens] = lambda task, command: task.end(TokensShown((), command.read))
        await write(bench)
        await burst(bench, "ctrl+t", "ctrl+g")
        await bench.settle()
        assert "New vector" in bench.screen
        await bench.press("escape")
        assert bench.app.screen is bench.app.steer


async def test_the_tokens_that_are_read_are_shown_between_marks(paths: Paths) -> None:
    engine = LibraryEngine(paths)
    nasty = ShownText("negative", 1, tuple(ShownToken(text, True) for text in list(NASTY.values())[:8]))
    texts = (ShownText("positive", 1, (ShownToken("It is", False), ShownToken(" wet", True))), nasty)

    def show(task: Task, command: ShowTokens) -> None:
        task.end(TokensShown(texts, command.read))

    async with workbench(paths, engine, size=(80, 24)) as bench:
        engine.work[ShowTokens] = show
        await bench.press("n", "ctrl+t")
        assert "when there are pairs" in bench.toasts
        await bench.press("escape")
        await write(bench)
        await bench.press("tab", "tab", "right", "right", "ctrl+t")
        assert "It is‹ wet›" in bench.screen and "read: last; esc closes" in bench.screen
        assert_harmless(bench)
        await bench.press("escape")
        assert "3 pairs" in bench.screen
