"""What a person writes into a sweep's fields reads back as it was meant; what makes no sense is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.commands.sweep_arguments import parse_strengths
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.scope import Scope
from steer_tui.errors import UsageError
from steer_tui.session import sweep_fields as fields
from steer_tui.session.state import Workbench
from steer_tui.session.sweep_plan import (
    ACTS,
    BUDGET,
    CONCEPT,
    FIELDS,
    HEAT,
    LAYERS,
    SEED,
    STRENGTH,
    TOKEN,
    SweepPlan,
    layer_analysis,
    mixer,
    plan_from,
    strength_explorer,
)

ROWS = st.lists(
    st.lists(st.integers(0, 7), min_size=1, max_size=3, unique=True).map(lambda row: tuple(sorted(row)))
    | st.just(("best",)),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(rows=ROWS.map(tuple), count=st.just(8))
def test_rows_read_back(rows: tuple[tuple[int | str, ...], ...], count: int) -> None:
    assert fields.read_layers(fields.write_layers(rows, count), count) == rows


@given(strengths=st.lists(st.integers(-4000, 4000), min_size=1, max_size=9, unique=True))
def test_strengths_read_back(strengths: list[int]) -> None:
    wanted = tuple(sorted(number / 100 for number in strengths))
    assert fields.read_strengths(fields.write_strengths(wanted)) == wanted


@given(seeds=st.lists(st.integers(0, 10**12), min_size=1, max_size=6, unique=True).map(tuple))
def test_seeds_read_back(seeds: tuple[int, ...]) -> None:
    assert fields.read_seeds(fields.write_seeds(seeds)) == seeds


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("each", ((0,), (1,), (2,))),
        ("each, best", ((0,), (1,), (2,), ("best",))),
        ("0..2", ((0,), (1,), (2,))),
        ("0-2", ((0, 1, 2),)),
        ("2, 0-1", ((2,), (0, 1))),
        ("all", (("all",),)),
        ("1,1", ((1,),)),
    ],
)
def test_layers_say_rows(text: str, rows: tuple[tuple[int | str, ...], ...]) -> None:
    assert fields.read_layers(text, 3) == rows


def test_ranges_of_strengths_include_their_end() -> None:
    assert fields.read_strengths("0.5:2.5:0.5") == (0.5, 1.0, 1.5, 2.0, 2.5)
    assert fields.read_strengths("0:0.3:0.1") == (0.0, 0.1, 0.2, 0.3)
    assert fields.read_strengths("1:2") == (1.0, 1.5, 2.0)
    assert fields.read_strengths("0:2:0.75") == parse_strengths("0:2:0.75") == (0.0, 0.75, 1.5, 2.0)
    assert fields.read_strengths("2, -1") == (-1.0, 2.0)


@pytest.mark.parametrize("text", ["", "x", "2:1:0.5", "1:2:0", "1:2:-1", "0:1e6:1e-6", "1:2:3:4", "inf", "nan", "1,,x"])
def test_strengths_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        fields.read_strengths(text)


@pytest.mark.parametrize("text", ["", "x", "-1", "3..1", "1.5", "0..999999", "1..2..3"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        fields.read_seeds(text)


@pytest.mark.parametrize("text", ["", "x", "6", "4..2", "0..6", "5-7", "4-2"])
def test_layers_beyond_the_model_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        fields.read_layers(text, 6)


# The plan

BENCH = Workbench(terms=parse_recipe("happy:2@3-4~keepnorm/generated,sad:1").terms)


def plan() -> SweepPlan:
    return plan_from(BENCH, "happy", (3, 4), 6)


def test_the_default_is_the_selected_term_over_every_layer_and_its_best() -> None:
    made = plan()
    assert made.cells == 35
    assert (made.request.op, made.request.scope, made.request.prompts) == (
        "keepnorm",
        Scope("generated"),
        (BENCH.prompt,),
    )
    assert plan_from(BENCH, "happy", (3,), 6).cells == 30  # the best layer has its row already


def test_every_field_reads_back_as_it_is_written() -> None:
    made = plan()
    for name in FIELDS:
        assert made.with_text(name, made.text(name)).request == made.request, name


@pytest.mark.parametrize(
    ("field", "text", "shown"),
    [
        (CONCEPT, "happy, sad", "happy, sad"),
        (CONCEPT, "happy+sad", "happy + sad"),
        (LAYERS, "2..4", "2..4"),
        (STRENGTH, "-1, 1", "-1, 1"),
        (TOKEN, "64", "64"),
        (SEED, "0..3", "0..3"),
        (HEAT, "0", "0"),
        (ACTS, "rotate", "rotate/all"),
        (ACTS, "set/first=8", "set/first=8"),
        (BUDGET, "0.5 nats", "0.5"),
    ],
)
def test_a_field_is_taken_in(field: str, text: str, shown: str) -> None:
    assert plan().with_text(field, text, ("happy", "sad")).text(field) == shown


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (CONCEPT, ""),
        (CONCEPT, "hapy"),
        (CONCEPT, "a+b+c+d"),
        (LAYERS, "9"),
        (STRENGTH, ""),
        (TOKEN, "0"),
        (TOKEN, "x"),
        (HEAT, "9"),
        (ACTS, "shout"),
        (ACTS, "add/never"),
        (BUDGET, "0"),
        (BUDGET, "-1"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(field: str, text: str) -> None:
    with pytest.raises(UsageError):
        plan().with_text(field, text, ("happy", "sad"))


def test_a_mix_has_weights_for_strengths_and_one_row_of_layers() -> None:
    mixed = plan().with_text(CONCEPT, "happy + sad")
    assert (mixed.request.mix, mixed.request.layers, mixed.cells) == (True, (("best",),), 25)
    with pytest.raises(UsageError):
        mixed.with_text(LAYERS, "each")
    assert not mixed.with_text(CONCEPT, "happy").request.mix
    mixed.request.check()


def test_prompts_are_added_changed_and_taken_away() -> None:
    two = plan().with_prompt(1, "Later")
    assert two.request.prompts == (BENCH.prompt, "Later")
    assert two.with_prompt(0, "First").request.prompts == ("First", "Later")
    assert two.with_prompt(0, "  ").request.prompts == ("Later",)
    assert two.with_prompt(0, "a\x1b[2Jb").request.prompts[0] == "a[2Jb"


def test_presets_are_a_column_a_row_and_a_mix() -> None:
    term = BENCH.terms[0]
    layers = layer_analysis(BENCH, term, 6)
    assert layers.cells == 6 and layers.request.strengths == (2.0,)
    strengths = strength_explorer(BENCH, term, 6)
    assert strengths.request.layers == ((3, 4),) and strengths.cells == 11
    mixed = mixer(BENCH, 6)
    assert mixed.request.mix and mixed.request.concepts == ("happy", "sad") and mixed.cells == 25
    for made in (layers, strengths, mixed):
        made.request.check()
