"""The workbench's state: what keys do to it, undo after any transition, and session.json whatever it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.engine.recipe import MAX_STRENGTH, OPS, Term, format_layers, parse_recipe
from steer_tui.engine.scope import KINDS, Scope
from steer_tui.engine.types import Sampling
from steer_tui.errors import LibraryError, RecipeError
from steer_tui.session.session_file import from_json, load_session, save_session, to_json
from steer_tui.session.state import MAX_UNDO, Layout, Workbench

COUNT, BEST = 6, (3, 4)


def bench(recipe: str = "", **fields: Any) -> Workbench:
    return Workbench(terms=parse_recipe(recipe).terms, **fields)


def layers(after: Workbench) -> str:
    assert after.selected_term is not None
    return format_layers(after.selected_term.layers)


# Switching concepts


def test_a_concept_is_switched_on_at_its_default_and_selected() -> None:
    after = bench("sad").toggle("happy", "happy:2@3-4")
    assert (after.recipe_text, after.selected) == ("sad,happy:2@3-4", 1)


@pytest.mark.parametrize("default", ["", "happy", "no : recipe", "sad:3", "happy:2@"])
def test_without_a_usable_default_a_concept_is_switched_on_plain(default: str) -> None:
    assert bench().toggle("happy", default).recipe_text == "happy"


def test_a_concept_that_was_switched_off_comes_back_as_it_was() -> None:
    after = bench("happy:3@1~rotate/generated").toggle("happy").toggle("happy", "happy:2")
    assert after.recipe_text == "happy:3@1~rotate/generated"


def test_switching_off_takes_every_term_of_the_concept_and_keeps_the_selection() -> None:
    after = bench("happy@1,sad,happy@2,calm", selected=3).toggle("happy")
    assert (after.recipe_text, after.selected) == ("sad,calm", 1)
    assert after.toggle("happy").recipe_text == "sad,calm,happy@1,happy@2"


def test_the_last_term_leaves_an_empty_recipe() -> None:
    after = bench("happy").toggle("happy")
    assert (after.terms, after.selected, after.selected_term) == ((), 0, None)


# Strength


def test_steps_of_a_tenth_do_not_drift() -> None:
    after = bench("happy:0")
    for _ in range(1000):
        after = after.change_strength(0.1)
    assert after.recipe_text == "happy:100"
    for _ in range(2000):
        after = after.change_strength(-0.1)
    assert after.recipe_text == "happy:-100"


def test_strength_goes_through_zero_without_a_minus_sign() -> None:
    assert bench("happy:0.1").change_strength(-0.1).recipe_text == "happy:0"
    assert bench("happy:-0.1").change_strength(0.1).recipe_text == "happy:0"


def test_strength_stays_what_a_recipe_may_say() -> None:
    after = bench("happy").set_strength(1e9)
    assert after.selected_term == Term("happy", MAX_STRENGTH)
    assert parse_recipe(after.recipe_text).terms == after.terms


def test_only_the_selected_term_changes() -> None:
    assert bench("happy,sad,calm").select(1).change_strength(0.5).recipe_text == "happy,sad:1.5,calm"


# Layers


@pytest.mark.parametrize(
    ("recipe", "delta", "after"),
    [
        ("happy", 1, "4-5"),
        ("happy", -1, "2-3"),
        ("happy@1+3", 1, "2+4"),
        ("happy@4-5", 1, "4-5"),
        ("happy@0", -1, "0"),
        ("happy@all", 1, "all"),
        ("happy@20", -1, "4"),
        ("happy@0+best", 1, "1+4-5"),
    ],
)
def test_layers_move_within_the_model(recipe: str, delta: int, after: str) -> None:
    assert layers(bench(recipe).move_layers(delta, COUNT, BEST)) == after


@pytest.mark.parametrize(
    ("recipe", "delta", "after"),
    [
        ("happy", 1, "3-5"),
        ("happy", -1, "3"),
        ("happy@3", -1, "3"),
        ("happy@4-5", 1, "3-5"),
        ("happy@0+5", 1, "0+4-5"),
        ("happy@0-5", 1, "0-5"),
        ("happy@all", 1, "all"),
        ("happy@all", -1, "0-4"),
    ],
)
def test_layers_widen_and_narrow_within_the_model(recipe: str, delta: int, after: str) -> None:
    assert layers(bench(recipe).resize_layers(delta, COUNT, BEST)) == after


def test_a_vector_that_recommends_no_layer_moves_from_the_middle() -> None:
    assert layers(bench("happy").move_layers(1, COUNT, ())) == "4"


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=6, unique=True),
    st.integers(1, 12),
    st.lists(st.tuples(st.booleans(), st.sampled_from([-1, 1])), max_size=20),
)
def test_moved_and_resized_layers_are_always_in_the_model(
    numbers: list[int], count: int, steps: list[tuple[bool, int]]
) -> None:
    after = Workbench(terms=(Term("happy", layers=tuple(sorted(numbers))),))
    for is_move, delta in steps:
        term = after.selected_term
        after = (after.move_layers if is_move else after.resize_layers)(delta, count, BEST)
        if after.selected_term != term:
            found = after.terms[0].resolve_layers(count, BEST)
            assert found and parse_recipe(after.recipe_text).terms == after.terms


# Operation and scope


def test_operations_come_round() -> None:
    after, seen = bench("happy"), []
    for _ in OPS:
        after = after.next_operation()
        seen.append(after.terms[0].op)
    assert seen == [*OPS[1:], OPS[0]]


def test_scopes_come_round_and_each_can_be_written() -> None:
    after, seen = bench("happy"), []
    for _ in KINDS:
        after = after.next_scope()
        seen.append(after.terms[0].scope.kind)
        assert parse_recipe(after.recipe_text).terms == after.terms
    assert seen == [*KINDS[1:], KINDS[0]]
    assert after.terms[0].scope == Scope()


# Text


def test_a_recipe_written_as_text_keeps_the_selected_concept() -> None:
    after = bench("happy,sad", selected=1).set_recipe("calm,sad:2,happy")
    assert after.selected_term == Term("sad", 2.0)
    assert bench("happy,sad", selected=1).set_recipe("calm").selected == 0


def test_a_broken_recipe_says_where_and_changes_nothing() -> None:
    before = bench("happy")
    with pytest.raises(RecipeError) as caught:
        before.set_recipe("happy:2,sad:x")
    assert caught.value.column == 13
    assert before == bench("happy")


def test_a_prompt_is_cleaned() -> None:
    assert bench().set_prompt("a\x1b[31m\ud800\u202eb").prompt == "a[31m\ufffdb"


def test_the_request_says_all_that_is_shown() -> None:
    request = bench("happy:2", prompt="Hi", sampling=Sampling(seed=7), baseline=False, raw=True).request()
    assert (request.prompt, request.recipe, request.sampling.seed) == ("Hi", "happy:2", 7)
    assert not request.baseline
    assert request.raw


def test_selection_stops_at_the_ends() -> None:
    before = bench("happy,sad")
    assert [before.select(index).selected for index in (-3, 0, 1, 9)] == [0, 0, 1, 1]
    assert before.select_name("sad").selected == 1
    assert before.select_name("nobody") is before


# Undo

NAMES = st.sampled_from(["happy", "sad", "calm"])
CHANGES: st.SearchStrategy[Callable[[Workbench], Workbench]] = st.one_of(
    NAMES.map(lambda name: lambda b: b.toggle(name, f"{name}:2@3-4")),
    st.sampled_from([0.1, -0.1, 0.5, -0.5]).map(lambda delta: lambda b: b.change_strength(delta)),
    st.just(lambda b: b.set_strength(0.0)),
    st.sampled_from([1, -1]).map(lambda delta: lambda b: b.move_layers(delta, COUNT, BEST)),
    st.sampled_from([1, -1]).map(lambda delta: lambda b: b.resize_layers(delta, COUNT, BEST)),
    st.just(lambda b: b.next_operation()),
    st.just(lambda b: b.next_scope()),
    st.just(lambda b: b.clear_recipe()),
    st.sampled_from(["", "happy", "calm:-1,sad@1/generated"]).map(lambda text: lambda b: b.set_recipe(text)),
    st.sampled_from(["", "Hi", "I think"]).map(lambda text: lambda b: b.set_prompt(text)),
)
SIDE_STEPS: st.SearchStrategy[Callable[[Workbench], Workbench]] = st.one_of(
    st.integers(0, 3).map(lambda index: lambda b: b.select(index)),
    st.integers(0, 9).map(lambda seed: lambda b: b.set_seed(seed)),
    st.booleans().map(lambda is_on: lambda b: b.set_baseline(is_on)),
    st.sampled_from(["ansi", None]).map(lambda name: lambda b: b.set_theme(name)),
)


def draft(of: Workbench) -> tuple[object, ...]:
    return of.prompt, of.terms, of.selected, of.parked


@given(st.lists(st.one_of(CHANGES, SIDE_STEPS), max_size=20), CHANGES)
def test_undo_brings_back_what_was_there_before_any_change(
    before_steps: list[Callable[[Workbench], Workbench]], change: Callable[[Workbench], Workbench]
) -> None:
    before = Workbench()
    for step in before_steps:
        before = step(before)
    after = change(before)
    if after is before:
        return
    assert draft(after.undo()) == draft(before)
    assert draft(after.undo().redo()) == draft(after)
    assert after.undo().past == before.past


@given(st.lists(CHANGES, max_size=30))
def test_undo_walks_back_to_the_beginning_and_redo_to_the_end(steps: list[Callable[[Workbench], Workbench]]) -> None:
    drafts, after = [draft(Workbench())], Workbench()
    for step in steps:
        after = step(after)
        if draft(after) != drafts[-1]:
            drafts.append(draft(after))
    for expected in reversed(drafts[:-1]):
        after = after.undo()
        assert draft(after) == expected
    assert not after.can_undo
    assert after.undo() is after
    for expected in drafts[1:]:
        after = after.redo()
        assert draft(after) == expected
    assert after.redo() is after


@given(st.lists(CHANGES, min_size=1, max_size=10), SIDE_STEPS)
def test_settings_survive_undo(
    steps: list[Callable[[Workbench], Workbench]], side: Callable[[Workbench], Workbench]
) -> None:
    after = Workbench()
    for step in steps:
        after = step(after)
    after = side(after)
    back = after.undo()
    assert (back.sampling, back.baseline, back.theme) == (after.sampling, after.baseline, after.theme)


def test_each_nudge_is_undone_by_itself() -> None:
    after = bench("happy").change_strength(0.5).change_strength(0.5).change_strength(0.5)
    assert [b.recipe_text for b in (after, after.undo(), after.undo().undo())] == ["happy:2.5", "happy:2", "happy:1.5"]


def test_what_changes_nothing_leaves_no_trace() -> None:
    before = bench("happy@0")
    for after in (before.move_layers(-1, COUNT, BEST), before.set_recipe("happy@0"), before.set_prompt(before.prompt)):
        assert after is before
    assert bench().change_strength(0.5) == bench()


def test_a_new_change_forgets_what_was_undone() -> None:
    after = bench("happy").change_strength(0.5).undo().next_scope()
    assert after.redo() is after


def test_undo_is_bounded() -> None:
    after = bench("happy")
    for _ in range(3 * MAX_UNDO):
        after = after.change_strength(0.1)
    assert len(after.past) == MAX_UNDO


def test_typing_is_undone_as_a_whole() -> None:
    after = bench(prompt="")
    for length in range(1, 6):
        after = after.type_prompt("hello"[:length])
    assert after.undo().prompt == ""
    again = after.end_typing().type_prompt("hello!").type_prompt("hello!!")
    assert again.undo().prompt == "hello"


def test_typing_is_parted_by_any_other_change() -> None:
    after = bench("happy", prompt="").type_prompt("a").change_strength(1).type_prompt("ab")
    assert [after.undo().prompt, after.undo().undo().undo().prompt] == ["a", ""]


def test_typing_that_is_taken_back_leaves_nothing_to_undo() -> None:
    after = bench(prompt="a").type_prompt("ab").type_prompt("a")
    assert not after.can_undo


# session.json


def kept(of: Workbench) -> Workbench:
    """What survives a restart."""
    return replace(of, past=(), future=(), is_typing=False)


@given(st.lists(st.one_of(CHANGES, SIDE_STEPS), max_size=20), st.text(max_size=30))
def test_a_session_reads_back_as_it_was_written(steps: list[Callable[[Workbench], Workbench]], prompt: str) -> None:
    before = Workbench(layout=Layout("library", ("recipe", "steered"), "steered")).set_prompt(prompt).set_model("org/m")
    for step in steps:
        before = step(before)
    assert from_json(json.loads(json.dumps(to_json(before)))) == kept(before)


def test_a_session_is_kept_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "session.json"
    assert load_session(path).is_first
    before = bench("happy:2@3-4,sad", prompt="Tell me").toggle("sad").set_theme("ansi")
    save_session(path, before)
    session = load_session(path)
    assert (session.bench, session.is_first, session.problem) == (kept(before), False, None)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'"text"'])
def test_a_broken_session_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(content)
    session = load_session(path)
    assert session.bench == Workbench()
    assert session.is_first
    assert session.problem is not None
    assert "session.json.broken" in session.problem
    assert (tmp_path / "session.json.broken").read_bytes() == content
    save_session(path, bench("happy"))
    assert load_session(path).bench.recipe_text == "happy"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [*to_json(Workbench()), *Sampling.__slots__]


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=8), st.integers())
def test_any_entries_give_a_usable_workbench(entries: dict[str, object], number: int) -> None:
    after = from_json({**entries, "sampling": dict.fromkeys(Sampling.__slots__, number)})
    after = after.change_strength(0.5).undo().select(1)
    assert parse_recipe(after.recipe_text).terms == after.terms
    assert from_json(to_json(after)) == kept(after)
    assert from_json(entries).sampling.max_tokens > 0


def test_unknown_entries_and_newer_versions_are_passed_over() -> None:
    entries = to_json(bench("happy")) | {"version": 99, "hologram": {"on": True}}
    assert from_json(entries).recipe_text == "happy"


def test_a_session_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError):
        save_session(tmp_path / "file" / "session.json", bench())
