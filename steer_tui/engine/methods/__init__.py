"""Ways to find a concept's direction in the activations of its examples, one per file.

Each is a function of both classes' activations, all layers together; what it returns has any length and either sign.
`gradient` is not among them: it needs the model.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import Tensor

FindDirections = Callable[[Tensor, Tensor, int], Tensor]
"""(positive (n, L, D), negative (m, L, D), seed) -> directions (L, D)."""

_FILES = {"mean": "mean", "pca": "pca", "pca-global": "pca_global", "lat": "lat", "probe": "probe"}
NEEDS_PAIRS = frozenset({"pca"})


def find_directions(method: str) -> FindDirections:
    """Return the function of a method that is fitted to activations."""
    found: FindDirections = importlib.import_module(f"{__name__}.{_FILES[method]}").directions
    return found
