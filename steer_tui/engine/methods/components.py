"""The first principal component of rows, exactly."""

from __future__ import annotations

import torch
from torch import Tensor


def first_component(rows: Tensor) -> Tensor:
    """Return the direction (D,) of unit length that rows (N, D) spread along most, taken around the origin.

    Zeros where all rows are zero. Float64 inside, so that the order of the rows does not tell.
    """
    rows = rows.double()
    count, width = rows.shape
    if count < width:
        _, vectors = torch.linalg.eigh(rows @ rows.T)
        direction = vectors[:, -1] @ rows
    else:
        direction = torch.linalg.eigh(rows.T @ rows)[1][:, -1] if bool(rows.any()) else rows.new_zeros(width)
    return torch.nn.functional.normalize(direction, dim=0, eps=1e-30).float()
