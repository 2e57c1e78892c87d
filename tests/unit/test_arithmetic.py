"""Vectors from vectors: sums, opposites, right angles and cosines, against their plain definitions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.engine.arithmetic import cosines, mix, negate, orthogonalise
from steer_tui.engine.resolve import layer_vector
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import ShapeMismatch, UsageError
from tests.unit.made_vectors import MADE_FOR, WIDTH

WEIGHTS = st.floats(-4, 4).filter(lambda weight: abs(weight) > 0.01)


def random_vector(name: str, seed: int, layers: tuple[int, ...] = (0, 1, 2), **changes: Any) -> SteeringVector:
    """Return a vector between two random class means per layer; `changes` are of its metadata."""
    generator = torch.Generator().manual_seed(seed)
    below = {layer: torch.randn(WIDTH, generator=generator) for layer in layers}
    raw = {layer: torch.randn(WIDTH, generator=generator) for layer in layers}
    origin = {layer: float(below[layer] @ raw[layer] / raw[layer].norm()) for layer in layers}
    fields: dict[str, Any] = {
        "group": "moods",
        "best_layers": layers[1:],
        "origin": origin,
        "residual_norm": {layer: 10.0 + seed for layer in layers},
        "diagnostics": {layer: {"separation": 1.0} for layer in layers},
        "read": "mean",
        **changes,
    }
    return SteeringVector(name, raw, VectorMeta(name, MADE_FOR, **fields))


HAPPY, SAD, CALM = random_vector("happy", 1), random_vector("sad", 2), random_vector("calm", 3, (1, 2, 4))


@given(WEIGHTS, WEIGHTS)
def test_a_mix_is_the_weighted_sum_at_the_layers_all_have(a: float, b: float) -> None:
    made = mix("new", [(HAPPY, a), (CALM, b)])
    assert list(made.layers) == [1, 2]
    for layer, tensor in made.layers.items():
        torch.testing.assert_close(tensor, a * HAPPY.layers[layer] + b * CALM.layers[layer], atol=1e-5, rtol=1e-5)


@given(WEIGHTS, WEIGHTS)
def test_a_mix_scale_is_zero_where_every_parent_stands_at_the_end_it_leads_away_from(a: float, b: float) -> None:
    made = mix("new", [(HAPPY, a), (SAD, b)])
    for layer in made.layers:
        rows = torch.stack([HAPPY.layers[layer], SAD.layers[layer]]).double()
        units = rows / rows.norm(dim=-1, keepdim=True)
        ends = [
            vector.meta.origin[layer] + (0.0 if weight > 0 else float(row.norm()))
            for vector, weight, row in zip((HAPPY, SAD), (a, b), rows, strict=True)
        ]
        state = torch.linalg.lstsq(units, torch.tensor(ends, dtype=torch.float64)[:, None]).solution[:, 0]
        assert abs(layer_vector(made, layer).place(state.float())) < 1e-3


def test_a_mix_names_its_parents_and_claims_nothing_it_did_not_measure() -> None:
    meta = mix("new", [(HAPPY, 1.0), (SAD, -0.5)]).meta
    assert meta.method == "mix" and meta.parents == ("happy:1", "sad:-0.5") and meta.name == "new"
    assert meta.diagnostics == {} and meta.pairs == 0 and meta.pairs_sha256 == "" and meta.default_recipe is None
    assert meta.residual_norm == {0: 11.5, 1: 11.5, 2: 11.5}
    assert meta.model == MADE_FOR and meta.group == "moods" and meta.read == "mean" and meta.created
    assert VectorMeta.from_json(meta.to_json()) == meta


def test_recommended_layers_are_those_all_recommend_else_the_heaviest_parents() -> None:
    a, b = random_vector("a", 1, best_layers=(2, 1)), random_vector("b", 2, best_layers=(1, 0))
    c = random_vector("c", 3, best_layers=(0,))
    assert mix("x", [(a, 1.0), (b, 2.0)]).meta.best_layers == (1,)
    assert mix("x", [(a, 1.0), (c, -3.0)]).meta.best_layers == (0,)


def test_an_unknown_origin_stays_unknown() -> None:
    plain = random_vector("plain", 4, origin={0: 1.0})
    assert set(mix("x", [(HAPPY, 1.0), (plain, 1.0)]).meta.origin) == {0}
    assert set(orthogonalise("x", HAPPY, [plain]).meta.origin) == {0}


def test_the_opposite_exchanges_the_ends_of_the_scale_and_twice_gives_the_vector() -> None:
    made = negate("not-happy", HAPPY)
    assert made.meta.method == "negate" and made.meta.diagnostics == HAPPY.meta.diagnostics
    state = torch.randn(WIDTH)
    for layer in made.layers:
        assert torch.equal(made.layers[layer], -HAPPY.layers[layer])
        there, back = layer_vector(HAPPY, layer).place(state), layer_vector(made, layer).place(state)
        assert float(there + back) == pytest.approx(1.0, abs=1e-4)
    again = negate("happy", made)
    assert all(torch.equal(again.layers[layer], HAPPY.layers[layer]) for layer in HAPPY.layers)
    assert again.meta.origin == pytest.approx(HAPPY.meta.origin, abs=1e-5)


def test_what_is_left_stands_at_right_angles_to_each_of_the_others_and_the_rest_lies_in_their_span() -> None:
    made = orthogonalise("new", HAPPY, [SAD, CALM])
    assert list(made.layers) == [1, 2] and made.meta.method == "orthogonal"
    assert made.meta.parents == ("happy", "sad", "calm")
    for layer, left in made.layers.items():
        others = torch.stack([SAD.layers[layer], CALM.layers[layer]])
        assert (others @ left).abs().max() < 1e-4
        taken = HAPPY.layers[layer] - left
        solution = torch.linalg.lstsq(others.T, taken[:, None]).solution
        assert (others.T @ solution - taken[:, None]).norm() < 1e-4


def test_the_scale_of_what_is_left_is_zero_where_all_scales_are() -> None:
    made = orthogonalise("new", HAPPY, [SAD])
    for layer in made.layers:
        rows = torch.stack([HAPPY.layers[layer], SAD.layers[layer]]).double()
        units = rows / rows.norm(dim=-1, keepdim=True)
        places = torch.tensor([HAPPY.meta.origin[layer], SAD.meta.origin[layer]], dtype=torch.float64)
        state = torch.linalg.lstsq(units, places[:, None]).solution[:, 0]
        assert abs(layer_vector(made, layer).place(state.float())) < 1e-3


def test_dependent_and_zero_others_do_no_harm() -> None:
    twice = mix("twice", [(SAD, 2.0)])
    zero = SteeringVector("zero", {layer: torch.zeros(WIDTH) for layer in (0, 1, 2)}, replace(SAD.meta, name="zero"))
    expected = orthogonalise("new", HAPPY, [SAD])
    made = orthogonalise("new", HAPPY, [SAD, twice, zero])
    for layer in made.layers:
        torch.testing.assert_close(made.layers[layer], expected.layers[layer], atol=1e-5, rtol=1e-5)


def test_nothing_that_is_left_is_an_error() -> None:
    with pytest.raises(UsageError, match="nothing is left"):
        orthogonalise("x", HAPPY, [mix("y", [(HAPPY, 3.0), (SAD, 1.0)]), SAD])
    with pytest.raises(UsageError, match="nothing is left"):
        mix("x", [(HAPPY, 1.0), (negate("n", HAPPY), 1.0)])


def test_cosines_are_those_of_the_definition() -> None:
    found = cosines([HAPPY, SAD, CALM, negate("not", HAPPY)])
    assert found.names == ("happy", "sad", "calm", "not") and found.layers == (0, 1, 2, 4)
    for layer in (1, 2):
        a, b = HAPPY.layers[layer].double(), CALM.layers[layer].double()
        expected = float(torch.nn.functional.cosine_similarity(a, b, dim=0))
        assert found.by_layer[layer][0][2] == pytest.approx(expected, abs=1e-9) == found.by_layer[layer][2][0]
        assert found.by_layer[layer][0][3] == pytest.approx(-1.0)
    assert found.by_layer[0][0][2] is None and found.by_layer[4][0][0] is None
    one, two = found.by_layer[1][0][2], found.by_layer[2][0][2]
    assert one is not None and two is not None and found.mean[0][2] == pytest.approx((one + two) / 2)
    assert all(found.mean[index][index] == pytest.approx(1.0) for index in range(4))


def test_a_zero_direction_has_no_cosine() -> None:
    zero = SteeringVector("zero", {0: torch.zeros(WIDTH)}, replace(SAD.meta, name="zero"))
    assert cosines([zero, HAPPY]).mean == ((None, None), (None, cosines([HAPPY]).mean[0][0]))


OTHER = [
    ({"width": WIDTH * 2}, ShapeMismatch, "width"),
    ({"layers": 99}, ShapeMismatch, "layers"),
    ({"fingerprint": "0000"}, UsageError, "other weights"),
    ({"id": "another", "fingerprint": ""}, UsageError, "another"),
]


@pytest.mark.parametrize(("change", "kind", "says"), OTHER)
def test_vectors_of_different_models_are_refused(change: dict[str, Any], kind: type[Exception], says: str) -> None:
    model = {**MADE_FOR, **change}
    layers = {layer: torch.ones(model["width"]) for layer in (0, 1)}
    other = SteeringVector("other", layers, VectorMeta("other", model))  # type: ignore[arg-type]
    calls = (
        lambda: mix("x", [(HAPPY, 1.0), (other, 1.0)]),
        lambda: orthogonalise("x", HAPPY, [other]),
        lambda: cosines([HAPPY, other]),
    )
    for call in calls:
        with pytest.raises(kind, match=says):
            call()


def test_what_cannot_be_done_is_said() -> None:
    apart = random_vector("apart", 5, (4, 5))
    for call, says in (
        (lambda: mix("x", []), "needs vectors"),
        (lambda: mix("x", [(HAPPY, math.nan)]), "no number"),
        (lambda: mix("x", [(HAPPY, 1.0), (apart, 1.0)]), "no layer in common"),
        (lambda: orthogonalise("x", HAPPY, []), "no vector"),
        (lambda: cosines([]), "no vector"),
    ):
        with pytest.raises(UsageError, match=says):
            call()
