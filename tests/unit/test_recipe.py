"""The recipe line: what it says, that it writes itself back, and that no text whatever breaks it otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_tui.engine.recipe import (
    BEST,
    MAX_LAYER,
    MAX_STRENGTH,
    OPS,
    Gate,
    Layers,
    Recipe,
    Term,
    format_layers,
    parse_layers,
    parse_recipe,
    require_names,
)
from steer_tui.engine.scope import ALL, Scope
from steer_tui.errors import RecipeError
from tests.stopwatch import Stopwatch

SIGNS = ",:@~/?<>"

names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda text: not any(character in SIGNS or character.isspace() for character in text)
)
numbers = st.one_of(
    st.floats(-MAX_STRENGTH, MAX_STRENGTH),
    st.integers(-20, 20).map(float),
    st.integers(-100, 100).map(lambda n: n / 10),
)
layers: st.SearchStrategy[Layers] = (
    st.tuples(
        st.sets(st.integers(0, 40) | st.integers(0, MAX_LAYER), max_size=6), st.sets(st.sampled_from(["all", "best"]))
    )
    .map(lambda pair: (*sorted(pair[0]), *sorted(pair[1])))
    .filter(bool)
)
counts = st.integers(0, 10**9 - 1)
scopes = st.one_of(
    st.sampled_from(["all", "prompt", "generated", "last"]).map(Scope),
    st.builds(Scope, st.sampled_from(["first", "after"]), counts),
    st.tuples(counts, counts).map(lambda pair: Scope("pos", min(pair), max(pair))),
)
gates = st.builds(Gate, names, st.booleans(), numbers)
terms = st.builds(
    Term, names, numbers, layers | st.just(BEST), st.sampled_from(OPS), scopes | st.just(ALL), st.none() | gates
)
recipes = st.lists(terms, max_size=4).map(lambda found: Recipe(tuple(found)))


@settings(max_examples=400)
@given(recipes)
def test_a_recipe_reads_back_as_it_was_written(recipe: Recipe) -> None:
    assert parse_recipe(str(recipe)) == recipe


@given(recipes)
def test_a_recipe_is_one_line_without_blanks(recipe: Recipe) -> None:
    assert not any(character.isspace() for character in str(recipe))


@given(recipes)
def test_blanks_between_the_parts_change_nothing(recipe: Recipe) -> None:
    text = str(recipe)
    for sign in ",:@~/?":
        text = text.replace(sign, f" {sign} ")
    assert parse_recipe(f"  {text}  ") == recipe


@given(layers)
def test_layers_read_back_as_they_were_written(chosen: Layers) -> None:
    assert parse_layers(format_layers(chosen)) == chosen


def check_refusal(text: str) -> None:
    """A text is a recipe, or is refused at a place inside it or right behind it."""
    try:
        parse_recipe(text)
    except RecipeError as error:
        assert error.column is not None and 1 <= error.column <= len(text) + 1
        assert f"(column {error.column})" in str(error)
        assert error.hint


@settings(max_examples=400)
@given(st.text(max_size=60) | st.text(st.sampled_from("abc019.+-eE " + SIGNS + "=._\n\t"), max_size=40))
def test_any_text_is_a_recipe_or_refused_with_its_column(text: str) -> None:
    check_refusal(text)


@settings(max_examples=400)
@given(recipes, st.data())
def test_a_recipe_with_one_character_wrong_is_read_or_refused_with_its_column(
    recipe: Recipe, data: st.DataObject
) -> None:
    text = str(recipe)
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.sampled_from(["", *SIGNS, "+", "-", ".", "x", "9", "=", " ", "\x00", "\ud800"]))
    check_refusal(text[:at] + put + text[at + data.draw(st.integers(0, 1)) :])


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (",", 1),
        ("happy,", 7),
        ("happy:", 7),
        ("happy:two", 7),
        ("happy:1e9", 7),
        ("happy:nan", 7),
        ("happy:inf", 7),
        ("happy:1:2", 8),
        ("happy@", 7),
        ("happy@x", 7),
        ("happy@4-3", 7),
        ("happy@-1", 7),
        ("happy@3,sad@99999", 13),
        ("happy~", 7),
        ("happy~subtract", 7),
        ("happy/", 7),
        ("happy/first", 7),
        ("happy/pos=5..2", 7),
        ("happy/first=-1", 7),
        ("happy?", 7),
        ("happy?angry", 7),
        ("happy?angry>", 7),
        ("happy?>1", 7),
        ("happy?angry>x", 7),
        ("happy~add@3", 10),
        ("happy sad", 7),
        ("happy>1", 6),
        (":2", 1),
        ("  @3", 3),
    ],
)
def test_a_malformed_line_names_its_column(text: str, column: int) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text)
    assert caught.value.column == column
    assert caught.value.exit_status == 2


def test_the_lines_of_the_contract_say_what_the_contract_says() -> None:
    assert parse_recipe("happy:0.7,excited:0.3") == Recipe((Term("happy", 0.7), Term("excited", 0.3)))
    assert parse_recipe("happy:2@3-4/generated,formal:1") == Recipe(
        (Term("happy", 2.0, (3, 4), "add", Scope("generated")), Term("formal"))
    )
    assert parse_recipe("") == parse_recipe(" \t ") == Recipe()


def test_what_is_left_out_is_strength_one_best_layers_add_everywhere() -> None:
    assert parse_recipe("happy").terms == (Term("happy", 1.0, ("best",), "add", Scope("all"), None),)
    assert str(Recipe((Term("happy"),))) == "happy"


def test_every_part_of_a_term_is_read() -> None:
    term = parse_recipe("a.b-c_d:-1.5@1+3-5+best~keepnorm/pos=2..9?angry<-0.25").terms[0]
    assert term == Term(
        "a.b-c_d", -1.5, (1, 3, 4, 5, "best"), "keepnorm", Scope("pos", 2, 9), Gate("angry", False, -0.25)
    )


def test_resolved_layers_are_those_of_the_model_and_of_the_vector() -> None:
    assert Term("happy").resolve_layers(6, (3, 2)) == (2, 3)
    assert Term("happy", layers=("all",)).resolve_layers(3, (1,)) == (0, 1, 2)
    assert Term("happy", layers=(5, "best")).resolve_layers(6, (1,)) == (1, 5)
    with pytest.raises(RecipeError, match="no layer 6"):
        Term("happy", layers=(6,)).resolve_layers(6, (1,))


def test_an_unknown_name_gets_the_nearest_known_ones() -> None:
    with pytest.raises(RecipeError) as caught:
        require_names(parse_recipe("hapy:2"), ["happy", "sad", "formal"])
    assert "happy" in (caught.value.hint or "")
    with pytest.raises(RecipeError, match="angri"):
        require_names(parse_recipe("happy?angri>1"), ["happy", "angry"])


def test_a_very_long_line_is_refused_at_once() -> None:
    watch = Stopwatch()
    for text in ("a?b" + " " * 50_000 + "c", "a" * 100_000 + ":" + "9" * 100_000, "a@" + "0-9999+" * 200 + "x"):
        check_refusal(text)
    assert watch.look() < 5
