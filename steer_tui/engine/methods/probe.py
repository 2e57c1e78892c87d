"""Normal of a logistic regression that tells the classes apart, its regularisation chosen by cross-validation.

scikit-learn's `LogisticRegression`. Activations are centred and divided by one number, their overall deviation, so that
directions stay what they are and the regularisation means the same at every layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse regularisation strengths that are tried; the strongest regularisation wins a tie."""
FOLDS = 5
_FEW = 2
"""With fewer texts on a side there is nothing to cross-validate."""
_PLAIN_C = 1.0


def directions(positive: Tensor, negative: Tensor, seed: int = 0) -> Tensor:
    """Return (L, D) from positive (n, L, D) and negative (m, L, D)."""
    labels = np.array([1] * len(positive) + [0] * len(negative))
    found = []
    for layer in range(positive.shape[1]):
        rows = torch.cat([positive[:, layer], negative[:, layer]]).double().numpy()
        found.append(torch.from_numpy(_normal(rows, labels)))
    return torch.stack(found).float()


def _normal(rows: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the normal (D,) of the plane between the classes."""
    rows = rows - rows.mean(axis=0)
    scale = float(rows.std())
    if scale == 0.0:
        return np.zeros(rows.shape[1])
    # A penalty on the normal's length does not see rotations: few texts need no more axes than there are texts.
    _, sizes, axes = np.linalg.svd(rows / scale, full_matrices=False)
    axes = axes[sizes > sizes[0] * 1e-10]
    turned = (rows / scale) @ axes.T
    fitted = _classifier(best_strength(turned, labels)).fit(turned, labels)
    normal: np.ndarray[Any, Any] = fitted.coef_[0] @ axes
    return normal


def best_strength(rows: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """Return the inverse regularisation under which held-out texts are likeliest to be told right."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(labels.sum()), int((1 - labels).sum()))
    if folds < _FEW:
        return _PLAIN_C
    surprise = np.zeros(len(STRENGTHS))
    for learnt, held in StratifiedKFold(folds).split(rows, labels):
        for place, strength in enumerate(STRENGTHS):
            fitted = _classifier(strength).fit(rows[learnt], labels[learnt])
            away = (1 - 2 * labels[held]) * (rows[held] @ fitted.coef_[0] + fitted.intercept_[0])
            surprise[place] += np.logaddexp(0, away).mean()
    return STRENGTHS[int(np.argmin(np.round(surprise, 6)))]


def _classifier(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8, max_iter=1000)
