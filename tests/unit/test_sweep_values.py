"""Requests, cells and grids as plain values: what a grid says of its cells, and that JSON keeps all of it."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.commands.arguments import build_parser
from steer_tui.commands.sweep import _request
from steer_tui.commands.sweep_arguments import parse_seeds, parse_strengths
from steer_tui.commands.sweep_folder import SweepFolder
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.scope import parse_scope
from steer_tui.engine.sweepexport import command_line, to_csv, to_json_text, to_markdown
from steer_tui.engine.sweepgrid import Grid, SweepControls, SweepResult, band_of, grid_of, student_t
from steer_tui.engine.sweeprefine import around, near_layers, refine
from steer_tui.engine.sweeprequest import SweepRequest, layer_analysis, mixer, spread_layers, strength_explorer
from steer_tui.engine.sweeptypes import Cell, CellText
from steer_tui.engine.types import ModelInfo, Sampling
from steer_tui.errors import UsageError
from steer_tui.paths import Paths

INFO = ModelInfo("demo", "demo", "llama", 6, 8, 100, "cpu", "float32", "ab", 0, False)


def cell(layer: int, strength: float, concept: float | None, kl: float | None = 0.1, **more: Any) -> Cell:
    key = f"happy:{strength:g}@{layer}"
    texts = (CellText(0, 0, f"text of {key}", (1, 2, 3), "length", concept, 2.5, kl, 1.0),)
    plain: dict[str, Any] = {"key": key, "kind": "cell", "name": "happy", "recipe": key, "span": str(layer)}
    values = {**plain, "layers": (layer,), "strengths": (strength,), "texts": texts, "concept": concept, "kl_mean": kl}
    return Cell(**{**values, **more})


def result(*cells: Cell, request: SweepRequest | None = None) -> SweepResult:
    asked = request or SweepRequest(("The meeting went",), ("happy",))
    return SweepResult(INFO, asked, (grid_of("happy", cells, asked.kl_budget),), True, 1.5, ("a note",))


def randoms(values: dict[float, list[float]]) -> tuple[Cell, ...]:
    return tuple(
        cell(1, size, value, key=f"=random {number} {size}", kind="random")
        for size, own in values.items()
        for number, value in enumerate(own)
    )


def test_the_best_cell_has_most_of_the_concept_within_the_budget_and_is_sound() -> None:
    cells = [cell(1, 1, 0.4), cell(1, 2, 0.9), cell(2, 2, 1.5, 1.2), cell(3, 2, 2.0, problem="repeats")]
    grid = grid_of("happy", [*cells, cell(4, 2, None), cell(5, 1, 3.0, None)], 1.0)
    assert grid.best == cells[1]
    assert replace(grid, kl_budget=1.3).best == cells[2]
    assert replace(grid, kl_budget=0.05).best is None
    assert grid_of("happy", [], 1.0).best is None


def test_of_cells_that_come_near_the_most_the_gentlest_is_best() -> None:
    cells = [cell(1, 2, 2.0, 0.9), cell(2, 2, 1.93, 0.3), cell(3, 2, 1.5, 0.1)]
    assert grid_of("happy", cells, 1.0).best == cells[1]
    baseline = cell(0, 0, 1.0, 0.0, key="=baseline happy", kind="baseline", layers=(), span="")
    assert grid_of("happy", [baseline, *cells], 1.0).best == cells[0]


def test_away_from_a_concept_the_best_cell_has_least_of_it() -> None:
    cells = [cell(1, -1, -0.2), cell(1, -2, -0.9), cell(2, -2, 0.3)]
    assert grid_of("happy", cells, 1.0).best == cells[1]


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(0, 50)), max_size=12))
def test_no_cell_of_the_front_is_beaten_and_every_other_one_is(points: list[tuple[int, int]]) -> None:
    cells = [cell(place, 1, concept / 10, kl / 10) for place, (concept, kl) in enumerate(points)]
    front = grid_of("happy", cells, 1.0).front
    for one in cells:
        beaten = any(
            (other.concept, -other.kl_mean) != (one.concept, -one.kl_mean)  # type: ignore[operator]
            and other.concept >= one.concept  # type: ignore[operator]
            and other.kl_mean <= one.kl_mean  # type: ignore[operator]
            for other in cells
        )
        if one in front:
            assert not beaten
        else:
            assert beaten or any((other.concept, other.kl_mean) == (one.concept, one.kl_mean) for other in front)
    assert [one.kl_mean for one in front] == sorted(one.kl_mean for one in front)  # type: ignore[type-var]


@pytest.mark.parametrize(("freedom", "wanted"), [(5, 2.5706), (7, 2.3646), (15, 2.1314), (100, 1.9840)])
def test_the_t_points_are_those_of_the_tables(freedom: int, wanted: float) -> None:
    assert student_t(freedom) == pytest.approx(wanted, rel=0.01)


def test_a_band_is_where_one_more_value_would_fall() -> None:
    band = band_of([1, 2, 3, 4, 5, 6, 7, 8])
    assert band is not None and band.mean == 4.5 and band.count == 8
    assert band.high - 4.5 == pytest.approx(2.3646 * math.sqrt(6) * math.sqrt(1 + 1 / 8), rel=0.01)
    assert band.holds(4.5) and not band.holds(11)
    assert band_of([1.0]) is None and band_of([1.0, math.nan]) is None


def test_a_band_belongs_to_a_size_of_strength_and_stays_where_its_measure_can_be() -> None:
    controls = SweepControls(random=randoms({1.0: [0.1, 0.2, 0.3], 2.0: [5.0, 6.0, 7.0]}))
    assert controls.band("concept", -1.0) == controls.band("concept", 1.0) != controls.band("concept", 2.0)
    assert controls.band("concept", 3.0) is None
    kl = replace(
        controls, random=tuple(replace(one, kl_mean=0.01 * place) for place, one in enumerate(controls.random))
    )
    band = kl.band("kl_mean", 1.0)
    assert band is not None and band.low == 0.0
    grid = Grid("happy", cells=(cell(1, 1, 0.2), cell(1, -1, 3.0)), controls=controls)
    assert [grid.is_noise(one) for one in grid.cells] == [True, False]
    assert Grid("happy").is_noise(cell(1, 1, 0.2)) is None


def test_json_keeps_a_result_whole() -> None:
    baseline = cell(0, 0, 0.1, key="=baseline happy", kind="baseline", span="", layers=(), strengths=(0.0,))
    more = [*randoms({1.0: [0.1, 0.2]}), cell(1, 1, 0.1, key="=shuffled", kind="shuffled")]
    prompt = replace(baseline, key="=prompt happy", kind="prompt")
    whole = result(baseline, cell(1, 1, 0.4, spread={"concept": 0.2}), cell(3, 1, 0.2, layers=(3, 4)), prompt, *more)
    value = json.loads(json.dumps(whole.to_json(), allow_nan=False))
    assert SweepResult.from_json(value) == whole
    contract = {"version", "model", "prompts", "concept", "max_tokens", "seed", "baseline", "cells", "best", "controls"}
    assert contract <= set(value) and value["concept"] == "happy" and "random" in value["controls"]
    wanted = {"layer", "strength", "texts", "concept", "perplexity", "kl_mean", "distinct_2", "relative_norm"}
    assert all(wanted <= set(one) for one in (*value["cells"], value["baseline"], value["best"]))
    assert [one["layer"] for one in value["cells"]] == [1, "3"] and value["baseline"]["layer"] is None


def test_what_is_not_finite_is_null_in_json() -> None:
    broken = cell(1, 9, math.nan, math.inf, perplexity=math.inf, problem="nan")
    value = broken.to_json()
    assert (value["concept"], value["kl_mean"], value["perplexity"]) == (None, None, None)
    json.dumps(value, allow_nan=False)


def test_the_points_of_a_request_are_recipes() -> None:
    request = SweepRequest(("p",), ("happy", "sad"), ((1,), (2, 3)), (0.5, 2.0), "rotate", parse_scope("generated"))
    points = request.points(6)
    assert [point.recipe for point in points[:4]] == [
        "happy:0.5@1~rotate/generated",
        "happy:2@1~rotate/generated",
        "happy:0.5@2-3~rotate/generated",
        "happy:2@2-3~rotate/generated",
    ]
    assert len(points) == 8 and {str(parse_recipe(point.recipe)) for point in points} == {p.recipe for p in points}
    assert len(SweepRequest(("p",), ("happy",)).points(6)) == 6 * 5


def test_presets() -> None:
    analysis = layer_analysis("p", "happy", 2.0, 6)
    assert [point.recipe for point in analysis.points(6)] == [f"happy:2@{layer}" for layer in range(6)]
    explorer = strength_explorer("p", "happy", (2, 3))
    assert {point.span for point in explorer.points(6)} == {"2-3"} and len(explorer.points(6)) == 11
    mix = mixer("p", ("happy", "excited"))
    assert len(mix.points(6)) == 25 and mix.points(6)[1].recipe == "happy:0,excited:0.25"
    assert len(mixer("p", ("a", "b", "c"), strengths=(0.0, 1.0)).points(6)) == 8


@pytest.mark.parametrize("count", [1, 6, 12, 13, 32, 80])
def test_default_rows_are_all_layers_or_some_of_the_middle(count: int) -> None:
    rows = spread_layers(count)
    assert len(set(rows)) == len(rows) <= 12 and set(rows) <= set(range(count))
    assert len(rows) >= min(count, 10)
    assert count <= 12 or (rows[0] > 0 and rows[-1] < count - 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"prompts": ()},
        {"concepts": ()},
        {"strengths": ()},
        {"strengths": (1.0, 1.0)},
        {"strengths": (math.nan,)},
        {"seeds": ()},
        {"seeds": (1, 1)},
        {"op": "multiply"},
        {"mix": True},
        {"mix": True, "concepts": ("a", "b"), "layers": ((1,), (2,))},
        {"randoms": 7},
        {"kl_budget": 0.0},
        {"prompts": "dog"},
        {"concepts": "sad"},
        {"layers": (1, 2)},
        {"layers": "1-2"},
        {"auto": True, "op": "cap"},
        {"refine": True, "measures": False},
    ],
)
def test_what_no_sweep_can_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(SweepRequest(("p",), ("happy",)), **changes).check()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.5:2:0.5", (0.5, 1.0, 1.5, 2.0)),
        ("-2:2:1", (-2.0, -1.0, 0.0, 1.0, 2.0)),
        ("0:0.3:0.1", (0.0, 0.1, 0.2, 0.3)),
        ("0:2:0.75", (0.0, 0.75, 1.5, 2.0)),
        ("1:1:1", (1.0,)),
        ("3", (3.0,)),
        ("0.5, 1,2", (0.5, 1.0, 2.0)),
    ],
)
def test_strengths_are_read_with_both_ends(text: str, wanted: tuple[float, ...]) -> None:
    assert parse_strengths(text) == wanted


@pytest.mark.parametrize("text", ["", "a", "1:2", "2:1:1", "1:2:0", "1:2:-1", "0:1:0.000001", "1:2:3,4", "1e9"])
def test_strengths_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_strengths(text)


def test_seeds_are_a_number_or_a_list() -> None:
    assert parse_seeds("3", 5) == (5, 6, 7) and parse_seeds("4,9", 0) == (4, 9) and parse_seeds("4,", 0) == (4,)
    for text in ("0", "x", "-1", "99999999"):
        with pytest.raises(UsageError):
            parse_seeds(text, 0)


REQUESTS = [
    SweepRequest(("The meeting went",), ("happy",), sampling=Sampling(0.7, max_tokens=32)),
    SweepRequest(
        ("-x 'quoted'", "b\nc"), ("happy", "sad"), ((1,), (2,)), (-2.0, 0.5, 1.25), "cap", parse_scope("last")
    ),
    SweepRequest(("p",), ("happy",), ((2, 3), ("best",), (1,)), (-1.0,), seeds=(3, 4, 5), raw=True, kl_budget=0.5),
    mixer("p", ("happy", "sad", "calm"), seeds=(7, 1), controls=False),
    SweepRequest(("p",), ("happy",), auto=True, randoms=9),
    SweepRequest(("p",), ("happy",), refine=True),
    SweepRequest(("p",), ("happy",), measures=False, seeds=(9,), sampling=Sampling(0, 0.9, 5, max_tokens=4)),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_command_line_repeats_the_request(request_: SweepRequest, paths: Paths) -> None:
    words = shlex.split(command_line(request_, "demo"))
    assert words[0] == "steer-tui"
    args = build_parser().parse_args(words[1:])
    found = _request(args, paths)
    assert replace(found, sampling=replace(found.sampling, seed=0)) == request_


@pytest.mark.parametrize("request_", REQUESTS)
def test_json_keeps_a_request(request_: SweepRequest) -> None:
    assert SweepRequest.from_json(json.loads(json.dumps(request_.to_json()))) == request_


def test_exports_survive_whatever_the_model_wrote() -> None:
    nasty = 'a|b\n"quoted", `code` *bold* <b> \x1b[31m\u202e # =1+1'
    hostile = cell(1, 1, 0.4, texts=(CellText(0, 0, nasty, (1,), "stop"),))
    whole = result(hostile, request=SweepRequest((nasty,), ("happy",)))
    rows = list(csv.DictReader(io.StringIO(to_csv(whole))))
    assert rows[0]["text"] == nasty and rows[0]["prompt"] == nasty and rows[0]["is_best"] == "1"
    assert json.loads(to_json_text(whole))["cells"][0]["texts"] == [nasty]
    report = to_markdown(whole)
    assert "\x1b" not in report and "\u202e" not in report
    assert all("<b>" not in line.replace("\\<b\\>", "") for line in report.splitlines() if line[:4] != "    ")
    table = [line for line in report.splitlines() if line.startswith("| a")]
    assert table and table[0].replace("\\|", "").count("|") == 5


def test_refining_looks_between_the_neighbours_and_beyond_an_end() -> None:
    assert around(2.0, [1.0, 2.0, 3.0]) == (1.5, 1.75, 2.0, 2.25, 2.5)
    assert around(3.0, [1.0, 2.0, 3.0]) == (2.5, 2.75, 3.0, 3.5, 4.0)
    assert around(0.5, [0.5, 1.0]) == (0.25, 0.5, 0.625, 0.75)
    assert around(-1.0, [-1.0]) == (-1.5, -1.25, -1.0, -0.75, -0.5)
    assert near_layers((2,), 6) == ((1, 2), (1, 2, 3), (2,), (2, 3))
    assert near_layers((0,), 1) == ((0,),)


def test_refining_keeps_what_was_asked_and_needs_a_best_cell() -> None:
    asked = SweepRequest(("p",), ("happy", "sad"), seeds=(1, 2))
    grid = grid_of("happy", [cell(2, 1, 0.4), cell(2, 2, 0.9)], 1.0)
    closer = refine(asked, grid, 6)
    assert closer.concepts == ("happy",) and closer.seeds == (1, 2) and (2,) in closer.layers
    assert 2.0 in closer.strengths and 1.5 in closer.strengths and 3.0 in closer.strengths
    with pytest.raises(UsageError):
        refine(asked, grid_of("happy", [], 1.0), 6)


def test_a_file_is_no_folder_to_keep_a_sweep_in(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match="is no folder"):
        SweepFolder(tmp_path / "taken").begin(SweepRequest(("p",), ("happy",)), INFO, {})
    assert (tmp_path / "taken").read_text() == "mine"
