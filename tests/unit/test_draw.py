"""Drawing: greedy where asked, else the distribution that temperature, top-k and top-p leave, by a row's own seed."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from steer_tui.engine.draw import Drawer, _invert
from steer_tui.engine.types import Sampling

VOCABULARY = 12


def some_logits(seed: int = 0, rows: int = 1, size: int = VOCABULARY) -> Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * 2


def draws(logits: Tensor, sampling: Sampling, count: int) -> Tensor:
    """Draw `count` times from one row of logits; return how often each id came."""
    drawer = Drawer([sampling])
    found = torch.stack([drawer.draw(logits)[0][0] for _ in range(count)])
    return torch.bincount(found, minlength=logits.shape[-1])


def allowed(logits: Tensor, sampling: Sampling) -> Tensor:
    """The probabilities that the filters leave, from plain loops: top-k first, then the nucleus of what is left."""
    probs = torch.softmax(logits[0].double() / sampling.temperature, dim=-1)
    order = sorted(range(len(probs)), key=lambda token: -float(probs[token]))
    kept = order[: sampling.top_k] if sampling.top_k else order
    total = sum(float(probs[token]) for token in kept)
    nucleus, share = [], 0.0
    for token in kept:
        if nucleus and share >= sampling.top_p * total:
            break
        nucleus.append(token)
        share += float(probs[token])
    left = torch.zeros_like(probs)
    left[nucleus] = probs[nucleus]
    return left / left.sum()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0),
        Sampling(temperature=0.6),
        Sampling(temperature=2.5, seed=3),
        Sampling(temperature=1.0, top_k=4),
        Sampling(temperature=1.0, top_p=0.8),
        Sampling(temperature=1.3, top_p=0.9, top_k=7, seed=5),
    ],
)
def test_draws_follow_the_distribution(sampling: Sampling) -> None:
    logits, count = some_logits(2), 8000
    wanted = allowed(logits, sampling)
    found = draws(logits, sampling, count)
    assert found[wanted == 0].sum() == 0
    cells = wanted > 0
    square = ((found[cells] - count * wanted[cells]) ** 2 / (count * wanted[cells])).sum()
    freedom = int(cells.sum()) - 1
    # A chi-square of so many degrees lies above mean plus four deviations once in thousands of seeds.
    assert float(square) < freedom + 4 * math.sqrt(2 * freedom) + 4


def test_temperature_zero_takes_the_likeliest_and_the_first_of_equals() -> None:
    assert Drawer([Sampling(temperature=0)]).draw(some_logits(1))[0].tolist() == [int(some_logits(1).argmax())]
    assert Drawer([Sampling(temperature=0)]).draw(torch.zeros(1, 5))[0].tolist() == [0]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, top_k=1),
        Sampling(temperature=5.0, top_p=1e-9),
        Sampling(temperature=1e-4),
        Sampling(temperature=1e-30),
        Sampling(temperature=1e-300),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_filters_and_temperatures_at_their_narrowest_are_greedy(sampling: Sampling, seed: int) -> None:
    logits = some_logits(seed, rows=1, size=500)
    assert draws(logits, sampling, 20)[logits.argmax()] == 20


@pytest.mark.parametrize("sampling", [Sampling(temperature=1.0, top_k=1), Sampling(temperature=1.0, top_p=1e-9)])
def test_of_equal_logits_the_narrowest_filters_take_the_one_that_greedy_takes(sampling: Sampling) -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0, 3.0, 3.0]]).repeat(1, 60)
    assert draws(logits, sampling, 20)[1] == 20


def test_the_logprob_is_that_before_temperature_and_filters() -> None:
    logits = some_logits(4)
    ids, logprobs = Drawer([Sampling(temperature=0.3, top_k=2, top_p=0.5)]).draw(logits)
    torch.testing.assert_close(logprobs, torch.log_softmax(logits, -1)[0, ids])


@given(st.integers(0, 2**40), st.floats(0.05, 5), st.floats(0.01, 1), st.integers(0, 15))
def test_any_sampling_draws_a_token_that_the_filters_leave(seed: int, heat: float, top_p: float, top_k: int) -> None:
    sampling = Sampling(temperature=heat, top_p=top_p, top_k=top_k, seed=seed)
    logits = some_logits(seed % 97)
    token = int(Drawer([sampling]).draw(logits)[0])
    # Shares that round to the bound may fall on either side of it.
    wide = allowed(logits, Sampling(temperature=heat, top_p=min(1.0, top_p + 1e-5), top_k=top_k))
    assert wide[token] > 0


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_unit_interval_draw_tokens_that_are_left(uniform: float) -> None:
    probs = torch.tensor([[0.0, 0.0, 0.3, 0.0, 0.7, 0.0]])
    assert _invert(probs, [uniform]).tolist() == [2 if uniform == 0 else 4]


def test_rows_of_one_seed_and_one_distribution_draw_the_same() -> None:
    drawer = Drawer([Sampling(temperature=1.0, seed=9)] * 3)
    for step in range(50):
        assert len(set(drawer.draw(some_logits(step).repeat(3, 1))[0].tolist())) == 1


def test_rows_of_other_seeds_draw_otherwise() -> None:
    drawer = Drawer([Sampling(temperature=1.0, seed=seed) for seed in range(8)])
    assert (
        len(
            {tuple(column) for column in torch.stack([drawer.draw(torch.zeros(8, 50))[0] for _ in range(9)]).T.tolist()}
        )
        == 8
    )


def test_a_row_draws_the_same_whatever_rows_are_beside_it_and_leave() -> None:
    samplings = [Sampling(temperature=heat, seed=seed, top_k=3) for seed, heat in enumerate((0.8, 0.0, 1.5))]
    logits = [some_logits(step, rows=3) for step in range(20)]
    alone = Drawer([samplings[2]])
    wanted = [int(alone.draw(step[2:])[0]) for step in logits]
    drawer = Drawer(samplings)
    found = [int(drawer.draw(step)[0][2]) for step in logits[:7]]
    drawer.keep([2])
    found += [int(drawer.draw(step[2:])[0][0]) for step in logits[7:]]
    assert found == wanted


@pytest.mark.parametrize("heat", [0.0, 1.0])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_broken_logits_still_draw_a_token(heat: float, bad: float) -> None:
    logits = some_logits(1)
    logits[0, 3] = bad
    token = int(Drawer([Sampling(temperature=heat)]).draw(logits)[0])
    assert 0 <= token < VOCABULARY
    assert (token == 3) == (bad == math.inf)
    everywhere = torch.full((1, VOCABULARY), bad)
    assert 0 <= int(Drawer([Sampling(temperature=heat)]).draw(everywhere)[0]) < VOCABULARY


def test_a_broken_row_leaves_its_neighbours_alone() -> None:
    logits = some_logits(1).repeat(2, 1)
    wanted = Drawer([Sampling(temperature=1.0, seed=4)]).draw(logits[:1])[0]
    logits[1] = math.nan
    assert Drawer([Sampling(temperature=1.0, seed=4)] * 2).draw(logits)[0][0] == wanted[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_drawn_from(dtype: torch.dtype) -> None:
    logits = some_logits(3).to(dtype)
    wanted = allowed(logits.float(), Sampling(temperature=1.0))
    found = draws(logits, Sampling(temperature=1.0), 4000) / 4000
    assert (found - wanted).abs().max() < 0.04
