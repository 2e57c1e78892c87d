"""One batched pass over texts: what the tokens that are read of each text leave at a place, at all layers together.

Promises that a text's readings depend neither on its neighbours nor on padding, and memory for one batch at a time.
Knows nothing of concepts or methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from steer_tui.engine.blockhooks import BlockHooks
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.passages import Passage
from steer_tui.engine.place import Place, PlaceHooks
from steer_tui.engine.prompt import pad_left
from steer_tui.engine.reading import pass_through_blocks
from steer_tui.engine.spot import spot
from steer_tui.errors import Cancelled, UsageError

BATCH_TOKENS = 1024
"""Padded tokens read in one pass on a CPU: with more, what lies between the products falls out of its caches."""
DEVICE_TOKENS = 8192
"""Likewise elsewhere."""

OnProgress = Callable[[int, int], None] | None
ShouldStop = Callable[[], bool] | None


@dataclass(frozen=True)
class Batch:
    """What was read of some texts."""

    passages: list[int]
    """Their indices."""
    means: Tensor
    """(B, L, D) float32 on the CPU, averaged over what is read of each text."""
    norms: Tensor
    """(B, L): mean norm of the residual stream, whatever the place."""


class Progress:
    """Counts work done, and asks whether to go on."""

    def __init__(self, total: int, on_progress: OnProgress, should_stop: ShouldStop) -> None:
        self._total, self._tell, self._should_stop = total, on_progress, should_stop
        self._done = 0

    def check(self) -> None:
        """Stop here if that was asked for.

        Raises:
            Cancelled: It was.
        """
        if self._should_stop is not None and self._should_stop():
            raise Cancelled("extraction stopped")

    def add(self, count: int) -> None:
        """Tell that so much more is done."""
        self._done += count
        if self._tell is not None:
            self._tell(self._done, self._total)

    def finish(self) -> None:
        """Tell that what is left need not be done."""
        if self._done < self._total:
            self.add(self._total - self._done)


def read_passages(
    lm: LanguageModel,
    passages: Sequence[Passage],
    place: Place,
    progress: Progress,
    together: Sequence[Sequence[int]] | None = None,
) -> Iterator[Batch]:
    """Yield the readings of all texts in batches, short texts first.

    Args:
        lm: The model.
        passages: Texts as ids.
        place: Where to read.
        progress: Told of each text.
        together: Indices that must be in one batch; None lets every text be by itself.

    Raises:
        Cancelled: `progress` says so between batches.
        UsageError: The place is never reached when text is read.
    """
    units = [(index,) for index in range(len(passages))] if together is None else [tuple(unit) for unit in together]
    lengths = {unit: max(len(passages[index].ids) for index in unit) for unit in units}
    most = BATCH_TOKENS if lm.device.type == "cpu" else DEVICE_TOKENS
    for batch in _batches(sorted(units, key=lengths.__getitem__), lengths, most):
        progress.check()
        means, norms = _read_batch(lm, [passages[index] for index in batch], place)
        yield Batch(batch, means, norms)
        progress.add(len(batch))


def _batches(ordered: Sequence[tuple[int, ...]], lengths: dict[tuple[int, ...], int], most: int) -> Iterator[list[int]]:
    """Yield texts of like length together, with `most` padded tokens at most."""
    batch: list[int] = []
    for unit in ordered:  # ascending length, so the newest is the longest of its batch
        if batch and (len(batch) + len(unit)) * lengths[unit] > most:
            yield batch
            batch = []
        batch.extend(unit)
    if batch:
        yield batch


class _Enough(Exception):
    """Every layer that is wanted has been read."""


class _Look:
    """Takes down what a batch leaves at a place."""

    def __init__(self, rows: Sequence[Passage], length: int, place: Place, device: torch.device) -> None:
        read = torch.zeros(len(rows), length, dtype=torch.bool)
        for index, row in enumerate(rows):
            offset = length - len(row.ids)
            read[index, offset + row.start : offset + row.end] = True
        self._is_all = bool(read.all())
        self._weights = (read.float() / read.sum(dim=1, keepdim=True)).to(device)
        self._read = read.to(device)
        self._layers = place.layers
        self.is_plain = isinstance(spot(place.site, 0), int)
        """Whether the place is the blocks' outputs."""
        self.means: dict[int, Tensor] = {}
        self.norms: dict[int, Tensor] = {}

    def _seen(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return activations (B, T, D) in float32, zero where they are not read, and the share of each token (B, T)."""
        states = hidden.view(*self._read.shape, -1).float()
        if not self._is_all:  # padding may hold anything, NaN included
            states = states.masked_fill(~self._read.to(hidden.device).unsqueeze(-1), 0.0)
        return states, self._weights.to(hidden.device)

    def keep(self, layer: int, hidden: Tensor) -> Tensor:
        """Take down the means."""
        states, share = self._seen(hidden)
        self.means[layer] = torch.bmm(share.unsqueeze(1), states).squeeze(1)
        return hidden

    def keep_block(self, layer: int, hidden: Tensor) -> Tensor:
        """Take down the norms of a block's output, and its means where that is the place."""
        if self.is_plain:
            self.keep(layer, hidden)
        states, share = self._seen(hidden)
        self.norms[layer] = (share * states.norm(dim=-1)).sum(dim=1)
        if layer == self._layers[-1] and set(self._layers) <= set(self.means):
            raise _Enough
        return hidden


@torch.inference_mode()
def _read_batch(lm: LanguageModel, rows: Sequence[Passage], place: Place) -> tuple[Tensor, Tensor]:
    """Return (B, L, D) means and (B, L) norms."""
    ids, mask = pad_left([row.ids for row in rows], lm.pad_id, lm.device)
    look = _Look(rows, ids.shape[1], place, lm.device)
    elsewhere = nullcontext() if look.is_plain else PlaceHooks(lm, place, look.keep)
    with lm.layers.alone(), BlockHooks(lm.structure, look.keep_block) as hooks, elsewhere, suppress(_Enough):
        hooks.cover(place.layers)
        pass_through_blocks(lm, ids, mask)
    missing = [layer for layer in place.layers if layer not in look.means]
    if missing:
        raise UsageError(f"{place.points[missing[0]].name} is never called when text is read", hint="name another")
    return (
        torch.stack([look.means[layer].cpu() for layer in place.layers], dim=1),
        torch.stack([look.norms[layer].cpu() for layer in place.layers], dim=1),
    )
