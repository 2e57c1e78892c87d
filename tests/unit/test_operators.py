"""The six operators against the sentences of the contract, written out for one vector at a time in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from steer_tui.engine.operators import OPERATORS
from steer_tui.engine.recipe import OPS
from tests.unit.reference import operate

ROWS, LENGTH, WIDTH = 3, 5, 16


class Case:
    """Random hidden states and vectors; every row has its own."""

    def __init__(self, seed: int = 0, strength: float | None = None) -> None:
        source = torch.Generator().manual_seed(seed)
        self.hidden = torch.randn(ROWS, LENGTH, WIDTH, generator=source) * 4
        self.unit = torch.nn.functional.normalize(torch.randn(ROWS, WIDTH, generator=source), dim=-1)
        self.length = torch.rand(ROWS, 1, 1, generator=source) + 0.5
        self.origin = torch.randn(ROWS, 1, 1, generator=source)
        drawn = torch.randn(ROWS, 1, 1, generator=source)
        self.strength = drawn if strength is None else torch.full((ROWS, 1, 1), strength)

    def run(self, op: str, hidden: Tensor | None = None) -> Tensor:
        given = self.hidden if hidden is None else hidden
        return OPERATORS[op](given, self.unit, self.length, self.origin, self.strength)

    def along(self, hidden: Tensor) -> Tensor:
        return (hidden * self.unit.unsqueeze(1)).sum(-1, keepdim=True)

    def place(self, hidden: Tensor) -> Tensor:
        return (self.along(hidden) - self.origin) / self.length


def close(found: Tensor, wanted: Tensor, within: float = 1e-5) -> None:
    torch.testing.assert_close(found, wanted, atol=within, rtol=within)


def test_the_operators_are_those_of_the_recipe() -> None:
    assert tuple(OPERATORS) == OPS


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("seed", range(4))
def test_every_position_is_what_the_contract_says(op: str, seed: int) -> None:
    case = Case(seed)
    found = case.run(op)
    for row in range(ROWS):
        one = [float(part[row]) for part in (case.length, case.origin, case.strength)]
        for at in range(LENGTH):
            close(found[row, at].double(), operate(op, case.hidden[row, at], case.unit[row], *one))


@pytest.mark.parametrize("op", OPS)
def test_the_given_tensor_is_left_as_it_was(op: str) -> None:
    case = Case()
    before = case.hidden.clone()
    case.run(op)
    assert torch.equal(case.hidden, before)


@pytest.mark.parametrize("op", ["add", "keepnorm", "ablate", "rotate"])
def test_strength_zero_is_the_identity(op: str) -> None:
    case = Case(strength=0.0)
    close(case.run(op), case.hidden)


@pytest.mark.parametrize("op", ["keepnorm", "rotate"])
@pytest.mark.parametrize("strength", [-3.0, -0.5, 0.25, 1.0, 2.0, 7.0])
def test_the_norm_is_kept(op: str, strength: float) -> None:
    case = Case(strength=strength)
    close(case.run(op).norm(dim=-1), case.hidden.norm(dim=-1))


def test_addition_is_linear_in_the_strength() -> None:
    one, three = Case(strength=1.0), Case(strength=3.0)
    close(three.run("add") - three.hidden, 3 * (one.run("add") - one.hidden))


def test_adding_one_is_the_distance_of_the_class_means() -> None:
    case = Case(strength=1.0)
    close(case.place(case.run("add")) - case.place(case.hidden), torch.ones(ROWS, LENGTH, 1))


def test_full_ablation_removes_the_component_and_nothing_else() -> None:
    case = Case(strength=1.0)
    after = case.run("ablate")
    close(case.along(after), torch.zeros(ROWS, LENGTH, 1))
    close(after, case.hidden - case.along(case.hidden) * case.unit.unsqueeze(1))
    close(case.run("ablate", after), after)


def test_half_an_ablation_halves_the_component() -> None:
    case = Case(strength=0.5)
    close(case.along(case.run("ablate")), case.along(case.hidden) / 2)


@pytest.mark.parametrize("strength", [-1.0, 0.0, 0.5, 1.0, 3.0])
def test_set_puts_the_place_exactly(strength: float) -> None:
    case = Case(strength=strength)
    after = case.run("set")
    close(case.place(after), torch.full((ROWS, LENGTH, 1), strength))
    close(case.run("set", after), after)


@pytest.mark.parametrize("strength", [-1.0, 0.0, 1.0])
def test_cap_is_idempotent_and_acts_above_only(strength: float) -> None:
    case = Case(strength=strength)
    after = case.run("cap")
    assert (case.place(after) <= strength + 1e-4).all()
    below = case.place(case.hidden) <= strength
    assert torch.equal(after[below.expand_as(after)], case.hidden[below.expand_as(after)])
    close(case.run("cap", after), after)


def test_a_quarter_turn_of_an_orthogonal_state_lies_on_the_direction() -> None:
    case = Case(strength=1.0)
    across = case.hidden - case.along(case.hidden) * case.unit.unsqueeze(1)
    close(case.run("rotate", across), across.norm(dim=-1, keepdim=True) * case.unit.unsqueeze(1))


@pytest.mark.parametrize("strength", [0.1, 0.4])
def test_a_turn_goes_towards_the_direction_and_a_negative_one_away(strength: float) -> None:
    towards, away = Case(strength=strength), Case(strength=-strength)
    across = towards.hidden - towards.along(towards.hidden) * towards.unit.unsqueeze(1)
    angle = math.radians(90 * strength)
    size = across.norm(dim=-1, keepdim=True)
    close(towards.along(towards.run("rotate", across)), size * math.sin(angle))
    close(away.along(away.run("rotate", across)), -size * math.sin(angle))


def test_turning_twice_by_half_is_turning_once() -> None:
    half, whole = Case(strength=0.2), Case(strength=0.4)
    across = half.hidden - half.along(half.hidden) * half.unit.unsqueeze(1)
    close(half.run("rotate", half.run("rotate", across)), whole.run("rotate", across), 1e-4)


@pytest.mark.parametrize("op", OPS)
def test_states_on_the_line_zero_states_and_zero_vectors_stay_finite(op: str) -> None:
    case = Case(strength=1.5)
    for hidden in (case.unit.unsqueeze(1) * 3, case.unit.unsqueeze(1) * -3, torch.zeros(ROWS, 1, WIDTH)):
        assert torch.isfinite(case.run(op, hidden)).all()
    nothing = OPERATORS[op](case.hidden, torch.zeros_like(case.unit), case.length * 0, case.origin * 0, case.strength)
    close(nothing, case.hidden)


def test_a_state_on_the_directions_line_is_not_turned() -> None:
    case = Case(strength=0.7)
    on_line = case.unit.unsqueeze(1) * 3
    close(case.run("rotate", on_line), on_line)
