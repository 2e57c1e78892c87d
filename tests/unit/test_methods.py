"""Methods against scikit-learn, closed forms and a planted direction; sketches against what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from torch import Tensor

from steer_tui.engine.fit import fit, scaled
from steer_tui.engine.methods import find_directions, probe
from steer_tui.engine.sketch import Sketch

torch.set_num_threads(1)

FITTED = ("mean", "pca", "pca-global", "lat", "probe")
LAYERS, WIDTH = 3, 24


def classes(count: int = 40, shift: float = 6.0, seed: int = 0, noise: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return (positive, negative, planted (WIDTH,)): pairs that share a topic and differ along `planted`."""
    source = torch.Generator().manual_seed(seed)
    planted = torch.nn.functional.normalize(torch.randn(WIDTH, generator=source), dim=0)
    topics = 0.5 * torch.randn(count, LAYERS, WIDTH, generator=source)
    sides = [topics + noise * torch.randn(count, LAYERS, WIDTH, generator=source) for _ in range(2)]
    return sides[0] + shift * planted + 3.0, sides[1] + 3.0, planted


def order(positive: Tensor, negative: Tensor) -> tuple[range, range]:
    return range(len(positive)), range(len(negative))


def cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=-1).min())


@pytest.mark.parametrize("method", FITTED)
def test_a_planted_direction_is_found(method: str) -> None:
    positive, negative, planted = classes(noise=0.5)
    found = fit(positive, negative, torch.ones(LAYERS), method, order(positive, negative))
    assert cosine(found.raw, planted.expand(LAYERS, -1)) > 0.95
    assert all(figures["auroc"] > 0.99 and figures["reversed"] == 0 for figures in found.diagnostics)


@pytest.mark.parametrize("method", FITTED)
def test_strength_1_is_the_distance_of_the_class_means_along_the_direction(method: str) -> None:
    positive, negative, _ = classes(seed=1, shift=2.0)
    found = fit(positive, negative, torch.full((LAYERS,), 4.0), method, order(positive, negative))
    unit = found.raw / found.raw.norm(dim=-1, keepdim=True)
    for layer in range(LAYERS):
        above, below = (side[:, layer].mean(0) @ unit[layer] for side in (positive, negative))
        assert float(above - below) == pytest.approx(float(found.raw[layer].norm()), rel=1e-4)
        assert float(above) > float(below)
        assert float(found.origin[layer]) == pytest.approx(float(below), abs=1e-4)
        share = found.diagnostics[layer]["relative_norm"]
        assert share == pytest.approx(float(found.raw[layer].norm()) / 4, rel=1e-5)


@pytest.mark.parametrize("method", FITTED)
def test_the_order_of_texts_changes_nothing(method: str) -> None:
    positive, negative, _ = classes(12, shift=1.0)
    usual = fit(positive, negative, torch.ones(LAYERS), method, order(positive, negative))
    turned = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    back = torch.argsort(turned).tolist()
    other = fit(positive[turned], negative[turned], torch.ones(LAYERS), method, (back, back))
    torch.testing.assert_close(other.raw, usual.raw, atol=1e-5, rtol=0)


def test_the_mean_is_the_difference_of_means_unchanged() -> None:
    positive, negative, _ = classes(7)
    found = fit(positive, negative[:5], torch.ones(LAYERS), "mean", (range(7), range(5)))
    torch.testing.assert_close(found.raw, positive.mean(0) - negative[:5].mean(0), atol=1e-5, rtol=0)
    assert found.agreement is None


@pytest.mark.parametrize("count", [5, 60])
def test_pca_is_that_of_scikit_learn_on_pairs_centred_at_their_midpoints(count: int) -> None:
    positive, negative, _ = classes(count, shift=1.5)
    found = find_directions("pca")(positive, negative, 0)
    for layer in range(LAYERS):
        middle = (positive[:, layer] + negative[:, layer]) / 2
        rows = torch.cat([positive[:, layer] - middle, negative[:, layer] - middle])
        wanted = torch.from_numpy(PCA(1).fit(rows.numpy()).components_[0])
        assert abs(cosine(found[layer], wanted)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("count", [5, 60])
def test_global_pca_is_that_of_scikit_learn_on_all_texts(count: int) -> None:
    positive, negative, _ = classes(count)
    found = find_directions("pca-global")(positive, negative[:-1], 0)
    for layer in range(LAYERS):
        rows = torch.cat([positive[:, layer], negative[:-1, layer]])
        wanted = torch.from_numpy(PCA(1).fit(rows.numpy()).components_[0])
        assert abs(cosine(found[layer], wanted)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("count", [6, 40])
def test_the_probe_is_that_of_scikit_learn_on_the_same_activations(count: int) -> None:
    positive, negative, _ = classes(count, shift=1.0)
    found = find_directions("probe")(positive, negative, 0)
    labels = np.array([1] * count + [0] * count)
    for layer in range(LAYERS):
        rows = torch.cat([positive[:, layer], negative[:, layer]]).double().numpy()
        rows = (rows - rows.mean(axis=0)) / (rows - rows.mean(axis=0)).std()
        models = [LogisticRegression(C=strength, max_iter=10_000, tol=1e-10) for strength in probe.STRENGTHS]
        split = StratifiedKFold(5)
        scores = [cross_val_score(model, rows, labels, cv=split, scoring="neg_log_loss").mean() for model in models]
        best = int(np.argmax(np.round(scores, 5)))
        wanted = torch.from_numpy(models[best].fit(rows, labels).coef_[0]).float()
        assert cosine(found[layer], wanted) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("method", FITTED)
def test_one_pair_and_equal_sides_give_finite_vectors(method: str) -> None:
    positive, negative, _ = classes(1)
    one = fit(positive, negative, torch.ones(LAYERS), method, ([0], [0]))
    same = fit(positive, positive, torch.ones(LAYERS), method, ([0], [0]))
    assert torch.isfinite(one.raw).all() and torch.isfinite(same.raw).all()
    assert cosine(one.raw, (positive - negative)[0]) == pytest.approx(1, abs=1e-5)
    assert float(same.raw.abs().max()) == 0


def test_a_zero_direction_stays_zero() -> None:
    assert float(scaled(torch.zeros(2, 4), torch.ones(2, 4)).abs().max()) == 0


def test_a_sketch_of_few_rows_is_exact() -> None:
    rows = torch.randn(20, LAYERS, WIDTH, generator=torch.Generator().manual_seed(2))
    sketch = Sketch(LAYERS, WIDTH, 16)
    sketch.add(rows)
    wanted = torch.stack([torch.linalg.svd(rows[:, layer])[2][0] for layer in range(LAYERS)])
    assert (torch.cosine_similarity(sketch.first_component(), wanted, dim=-1).abs() > 0.99999).all()


def test_a_sketch_of_many_rows_keeps_what_they_spread_along_in_bounded_memory() -> None:
    positive, negative, planted = classes(2000, shift=2.0)
    whole, other = Sketch(LAYERS, WIDTH, 12), Sketch(LAYERS, WIDTH, 12)
    whole.add(positive[:1000] - negative[:1000])
    other.add(positive[1000:] - negative[1000:])
    merged = whole.merged(other)
    assert merged.rows.shape[1] <= 24
    exact = find_directions("pca")(positive, negative, 0)
    found = merged.first_component()
    assert (torch.cosine_similarity(found, exact, dim=-1).abs() > 0.995).all()
    assert (found @ planted).abs().min() > 0.95


def test_a_sketch_around_the_mean_is_ordinary_pca() -> None:
    rows = torch.randn(500, LAYERS, WIDTH, generator=torch.Generator().manual_seed(4)) + 2.0
    rows[:, :, 3] *= 3
    sketch = Sketch(LAYERS, WIDTH, 20)
    sketch.add(rows)
    found = sketch.first_component(len(rows), rows.mean(dim=0))
    exact = find_directions("pca-global")(rows[:250], rows[250:], 0)
    assert (torch.cosine_similarity(found, exact, dim=-1).abs() > 0.99).all()
