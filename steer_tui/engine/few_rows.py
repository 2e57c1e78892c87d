"""Faster linear layers for decode steps of a few rows in float32 on a CPU.

`F.linear` with one to eight rows reaches about half of the memory bandwidth there (measured with torch 2.13 and MKL).
The product written the other way round, `weight @ x.T` with two columns or more, reaches it; a single row goes as two
equal columns. Which form is quicker is timed on the model's own weights once, for every number of rows, and kept where
a file for it is given. Replaced only while a run lasts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steer_tui.engine.timings import keep_choices, machine_key, read_choices

MOST_ROWS = 8
_ROUNDS = 7
_SAMPLE_BYTES = 96 * 2**20
"""Weights that are timed: more than a cache holds, as a decode step reads all of them once."""
_GAIN = 0.9
"""Take the other form only where it needs at most this share of the time."""

Linear = Callable[[nn.Linear, Tensor], Tensor]


def as_linear(layer: nn.Linear, hidden: Tensor) -> Tensor:
    """Return the layer's output as torch computes it."""
    return F.linear(hidden, layer.weight, layer.bias)


def as_columns(layer: nn.Linear, hidden: Tensor) -> Tensor:
    """Return the layer's output, (..., out), from `weight @ x.T`, a single row doubled."""
    # The product of a layer before is a transposed view: the quick kernel wants rows that lie in one piece.
    rows = hidden.reshape(-1, hidden.shape[-1]).contiguous()
    count = rows.shape[0]
    if count == 1:
        rows = torch.cat([rows, rows])
    out = torch.mm(layer.weight, rows.t())[:, :count].t()
    if layer.bias is not None:
        out = out + layer.bias
    return out.reshape(*hidden.shape[:-1], -1)


class FewRows:
    """Knows for one model at which row counts `as_columns` is quicker."""

    def __init__(self, model: nn.Module, timings: Path | None = None) -> None:
        """Prepare; nothing is timed yet.

        Args:
            model: Whose linear layers are meant.
            timings: File that keeps the choices, so that other processes make the same.
        """
        self._layers = [module for module in model.modules() if _is_plain(module)]
        self._timings = timings
        self._key = machine_key(tuple(layer.weight.shape) for layer in self._sample())
        self._chosen = read_choices(timings, self._key)

    def prepare(self, most_rows: int) -> None:
        """Time what is not known yet for 1 to `most_rows` rows; costs a few decode steps, once."""
        missing = [rows for rows in range(1, min(most_rows, MOST_ROWS) + 1) if rows not in self._chosen]
        if not missing or not self._layers:
            return
        for rows in missing:
            self._chosen[rows] = self._columns_win(rows)
        keep_choices(self._timings, self._key, self._chosen)

    @contextmanager
    def installed(self, most_rows: int) -> Iterator[None]:
        """Use the quicker form inside; plain modules again afterwards, whatever was raised."""
        self.prepare(most_rows)
        wins = any(self._chosen.get(rows) for rows in range(1, most_rows + 1))
        layers = [layer for layer in self._layers if wins and "forward" not in layer.__dict__]
        try:
            for layer in layers:
                layer.__dict__["forward"] = self._forward_of(layer)
            yield
        finally:
            for layer in layers:
                layer.__dict__.pop("forward", None)

    def _forward_of(self, layer: nn.Linear) -> Callable[[Tensor], Tensor]:
        width, chosen, weight, bias = layer.in_features, self._chosen, layer.weight, layer.bias

        def forward(hidden: Tensor) -> Tensor:
            if chosen.get(hidden.numel() // width, False):
                return as_columns(layer, hidden)
            return F.linear(hidden, weight, bias)

        return forward

    def _sample(self) -> list[nn.Linear]:
        """Return the first layers, as many as are timed."""
        sizes = accumulate(layer.weight.numel() * 4 for layer in self._layers)
        count = sum(size <= _SAMPLE_BYTES for size in sizes)
        return self._layers[: count + 1]

    def _columns_win(self, rows: int) -> bool:
        sample = [(layer, torch.randn(rows, 1, layer.in_features)) for layer in self._sample()]
        taken: dict[Linear, list[float]] = {as_linear: [], as_columns: []}
        with torch.inference_mode():
            for _ in range(_ROUNDS):
                for form, seconds in taken.items():
                    begin = time.perf_counter()
                    for layer, hidden in sample:
                        form(layer, hidden)
                    seconds.append(time.perf_counter() - begin)
        return statistics.median(taken[as_columns]) < _GAIN * statistics.median(taken[as_linear])


def _is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Say whether a module is a float32 linear layer on the CPU and nothing more."""
    return (
        type(module) is nn.Linear
        and "forward" not in module.__dict__
        and module.weight.dtype == torch.float32
        and module.weight.device.type == "cpu"
    )
