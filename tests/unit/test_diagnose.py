"""Diagnostics against closed forms and naive loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from steer_tui.engine.diagnose import auroc, best_layers, diagnose

scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=20)


def classes(count: int = 10, other: int | None = None, shift: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    positive = torch.randn(count, 12, generator=source)
    positive[:, 0] += shift
    return positive, torch.randn(count if other is None else other, 12, generator=source)


@given(scores, scores)
def test_auroc_is_the_share_of_pairs_in_order(above: list[float], below: list[float]) -> None:
    right = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(above, below)]
    assert auroc(torch.tensor(above), torch.tensor(below)) == pytest.approx(sum(right) / len(right), abs=1e-6)


def test_auroc_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    for seed in range(5):
        above, below = (part[:, 0] for part in classes(40, 25, seed=seed))
        labels = [1] * len(above) + [0] * len(below)
        wanted = metrics.roc_auc_score(labels, torch.cat([above, below]).numpy())
        assert auroc(above, below) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_separation_is_the_distance_of_means_in_pooled_deviations(seed: int) -> None:
    positive, negative = classes(seed=seed)
    direction = (positive.mean(0) - negative.mean(0)).numpy()
    above, below = positive.numpy() @ direction, negative.numpy() @ direction
    wanted = (above.mean() - below.mean()) / math.sqrt((above.var(ddof=1) + below.var(ddof=1)) / 2)
    assert diagnose(positive, negative)["separation"] == pytest.approx(float(wanted), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_consistency_is_the_mean_cosine_of_pair_differences(seed: int) -> None:
    positive, negative = classes(seed=seed)
    positive[0] = negative[0]  # a pair without a difference agrees with none
    cosines = [
        float(torch.cosine_similarity(positive[a] - negative[a], positive[b] - negative[b], dim=0))
        for a, b in itertools.combinations(range(len(positive)), 2)
    ]
    assert diagnose(positive, negative)["consistency"] == pytest.approx(float(np.mean(cosines)), abs=1e-5)


def test_split_half_is_the_cosine_of_the_vectors_of_two_halves_and_auroc_is_held_out() -> None:
    positive, negative = classes(11, 8, seed=3)
    even = positive[0::2].mean(0) - negative[0::2].mean(0)
    odd = positive[1::2].mean(0) - negative[1::2].mean(0)
    found = diagnose(positive, negative)
    assert found["split_half"] == pytest.approx(float(even @ odd / (even.norm() * odd.norm())), abs=1e-5)
    held_out = [auroc(positive[1::2] @ even, negative[1::2] @ even), auroc(positive[0::2] @ odd, negative[0::2] @ odd)]
    assert found["auroc"] == pytest.approx(sum(held_out) / 2)
    assert "consistency" not in found  # eleven and eight texts are no pairs


def test_clear_classes_look_clear_and_equal_ones_do_not() -> None:
    clear, same = diagnose(*classes(40, shift=8.0)), diagnose(*classes(40, shift=0.0))
    assert clear["auroc"] > 0.99 and clear["split_half"] > 0.9 and clear["consistency"] > 0.5
    assert 0.2 < same["auroc"] < 0.8 and abs(same["split_half"]) < 0.8 and abs(same["consistency"]) < 0.2


def test_what_cannot_be_had_is_left_out_and_the_rest_is_finite() -> None:
    assert diagnose(*classes(1)) == {}
    assert set(diagnose(*classes(3))) == {"separation", "consistency", "reversed"}
    same = torch.ones(4, 12)
    assert all(math.isfinite(value) for value in diagnose(same, same).values())


def figures(separation: float, split_half: float = 1.0) -> dict[str, float]:
    return {"separation": separation, "split_half": split_half}


def test_the_best_layer_is_the_clearest_of_the_middle_and_its_better_neighbour_follows() -> None:
    found = best_layers({layer: figures(layer) for layer in range(12)}, 12)
    assert found == (8, 7)
    peak = {layer: figures(5 - abs(layer - 6) + (layer == 5) * 0.5) for layer in range(12)}
    assert best_layers(peak, 12) == (6, 5)


def test_a_layer_whose_halves_disagree_is_not_the_best() -> None:
    found = best_layers(
        {layer: figures(9.0 if layer == 6 else 3.0, 0.1 if layer == 6 else 0.9) for layer in range(12)}, 12
    )
    assert found[0] != 6


@pytest.mark.parametrize("count", [1, 2, 3])
def test_models_of_few_blocks_have_best_layers_too(count: int) -> None:
    found = best_layers({layer: {} for layer in range(count)}, count)
    assert found and set(found) <= set(range(count))
    assert best_layers({0: figures(1.0)}, 12) == (0,)
