"""Measures of generated text, all read by the unsteered model; no judge.

`Reader` re-reads texts beside the distributions they were drawn from, in pieces, so that memory does not grow with
their length.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.blockhooks import BlockHooks
from steer_tui.engine.cache import keep_rows, new_cache
from steer_tui.engine.groups import group
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.pointhook import by_row
from steer_tui.engine.prompt import pad_left
from steer_tui.engine.quick_linear import quick_linear
from steer_tui.engine.resolve import LayerVector, first_best, first_spot, layer_vector
from steer_tui.engine.spot import Spot
from steer_tui.engine.vector import SteeringVector

PIECE_BYTES = 128 * 2**20
"""Room for the float32 logits of one piece."""


@dataclass
class Reading:
    """What was read of one text so far."""

    tokens: int = 0
    surprise: float = 0.0
    """Sum of -log p over the generated tokens, in nats."""
    kl: list[float] = field(default_factory=list)
    """KL(drawn from || unsteered) at each generated position; empty where no distribution was given."""
    place_sums: dict[str, float] = field(default_factory=dict)
    content_tokens: int = 0
    """Generated tokens without the one that ends the text."""

    @property
    def perplexity(self) -> float | None:
        """exp of the mean surprise; None for no token, infinite where that overflows."""
        if not self.tokens:
            return None
        mean = self.surprise / self.tokens
        return math.exp(mean) if mean < 700 else math.inf

    def place(self, concept: str) -> float | None:
        """Mean place on a concept's scale; None for an empty text, for a concept that was not read or has no scale."""
        if concept not in self.place_sums or not self.content_tokens:
            return None
        mean = self.place_sums[concept] / self.content_tokens
        return None if math.isnan(mean) else mean

    @property
    def kl_mean(self) -> float | None:
        """Mean over the generated positions, in nats."""
        return sum(self.kl) / len(self.kl) if self.kl else None

    @property
    def kl_p95(self) -> float | None:
        """95th percentile over the generated positions, linear between neighbours."""
        return quantile(self.kl, 0.95)


class Reader:
    """Reads rows of generated tokens after their prompts with the unsteered model.

    Hooks of a run in progress must be quiet while it reads.
    """

    def __init__(
        self, lm: LanguageModel, prompts: Sequence[Sequence[int]], concepts: Mapping[str, SteeringVector] | None = None
    ) -> None:
        """Begin with prompts of any lengths, one row each; concepts are placed at their first best layer."""
        self._lm = lm
        self._prompts = [list(prompt) for prompt in prompts]
        self._concepts: dict[str, tuple[Spot, LayerVector]] = {}
        for name, vector in (concepts or {}).items():
            self._concepts[name] = (first_spot(vector), layer_vector(vector, first_best(vector)))
        self.readings = [Reading() for _ in prompts]
        self._rows = list(range(len(prompts)))
        self._cache = new_cache(lm.model.config)
        self._last: Tensor | None = None
        self._mask: Tensor | None = None
        self._lengths = [len(prompt) for prompt in prompts]
        self._accepts = frozenset(inspect.signature(lm.model.forward).parameters)
        self._hidden: dict[Spot, Tensor] = {}

    @torch.inference_mode()
    def read(self, rows: Sequence[Sequence[int]], drawn_from: Sequence[Tensor | None] | None = None) -> None:
        """Read on.

        Args:
            rows: The next generated ids of each row that is kept; a row may bring fewer than others, and none after it
                did.
            drawn_from: For each row the logits (n, V) its ids were drawn from, or None.
        """
        if self._last is None:
            self._last = self._begin()
        given = drawn_from or [None] * len(rows)
        longest = max(map(len, rows))
        piece = max(1, PIECE_BYTES // (4 * len(rows) * self._last.shape[-1]))
        for start in range(0, longest, piece):
            part = [row[start : start + piece] for row in rows]
            self._read_piece(part, [None if all_ is None else all_[start : start + piece] for all_ in given])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, by the index that they began with, ascending; `readings` stays whole."""
        places = [self._rows.index(row) for row in rows]
        if len(places) == len(self._rows):
            return
        self._rows = list(rows)
        self._lengths = [self._lengths[place] for place in places]
        if self._last is not None:
            self._last = self._last[places]
            self._mask = None if self._mask is None else self._mask[places]
            keep_rows(self._cache, places)

    def _begin(self) -> Tensor:
        """Read the prompts of the rows that are kept, equal ones once; return the logits that follow them."""
        prompts = [self._prompts[row] for row in self._rows]
        read, place = group(tuple(prompt) for prompt in prompts)
        ids, mask = pad_left([prompts[row] for row in read], self._lm.pad_id, self._lm.device)
        self._mask = mask if min(self._lengths) < max(self._lengths) else None
        last = self._forward(ids, (mask.cumsum(-1) - 1).clamp_min(0), last_only=True)[:, -1].float()
        if len(read) == len(prompts):
            return last
        self._mask = None if self._mask is None else self._mask[place]
        keep_rows(self._cache, place)
        return last[place]

    def _read_piece(self, rows: Sequence[Sequence[int]], drawn_from: Sequence[Tensor | None]) -> None:
        count = max(map(len, rows))
        ids = torch.full((len(rows), count), self._lm.pad_id)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(list(row), dtype=torch.long)
        ids = ids.to(self._lm.device)
        positions = torch.tensor(self._lengths, device=ids.device).unsqueeze(1) + torch.arange(count, device=ids.device)
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(rows), count)], dim=1)
        assert self._last is not None
        with BlockHooks(self._lm.structure, self._keep, self._lm) as hooks:
            hooks.cover({layer for layer, _ in self._concepts.values()})
            logits = self._forward(ids, positions, last_only=False).float()
        predicted = torch.log_softmax(torch.cat([self._last.unsqueeze(1), logits[:, :-1]], dim=1), dim=-1)
        surprise = -predicted.gather(2, ids.unsqueeze(-1)).squeeze(-1)
        for index, row in enumerate(rows):
            if row:
                self._note(index, row, surprise[index], predicted[index], drawn_from[index])
        self._last = logits[:, -1]
        self._lengths = [length + count for length in self._lengths]

    def _note(self, index: int, ids: Sequence[int], surprise: Tensor, predicted: Tensor, given: Tensor | None) -> None:
        reading, count = self.readings[self._rows[index]], len(ids)
        reading.tokens += count
        reading.surprise += float(surprise[:count].cpu().double().sum())  # MPS has no float64
        if given is not None:
            reading.kl += kl_divergence(given[:count].to(predicted.device), predicted[:count]).tolist()
        content = torch.tensor([token not in self._lm.eos_ids for token in ids], device=predicted.device)
        reading.content_tokens += int(content.sum())
        for name, (layer, vector) in self._concepts.items():
            places = vector.place(self._hidden[layer][index, :count])
            sum_here = float(places[content.to(places.device)].sum())
            reading.place_sums[name] = reading.place_sums.get(name, 0.0) + sum_here

    def _keep(self, layer: Spot, hidden: Tensor) -> Tensor:
        self._hidden[layer] = by_row(hidden, len(self._rows))
        return hidden

    def _forward(self, ids: Tensor, positions: Tensor, *, last_only: bool) -> Tensor:
        options: dict[str, Any] = {"past_key_values": self._cache, "use_cache": True, "return_dict": True}
        if self._mask is not None:
            options["attention_mask"] = self._mask
        if "position_ids" in self._accepts:
            options["position_ids"] = positions
        if last_only and "logits_to_keep" in self._accepts:
            options["logits_to_keep"] = 1
        # With a device map, the logits may lie elsewhere than the ids.
        with quick_linear(self._lm).installed(1, ids.numel()):
            logits: Tensor = self._lm.model(input_ids=ids, **options).logits
        return logits.to(ids.device)


def kl_divergence(drawn_logits: Tensor, unsteered_logprobs: Tensor) -> Tensor:
    """Return KL(softmax(drawn) || unsteered) of each position (n,) in nats; 0 for equal ones, never negative."""
    drawn = torch.log_softmax(drawn_logits.float(), dim=-1)
    terms = drawn.exp() * (drawn - unsteered_logprobs)
    return torch.where(drawn.isneginf(), 0.0, terms).sum(dim=-1).clamp_min(0)


def distinct_2(ids: Sequence[int]) -> float | None:
    """Return distinct bigrams / bigrams of token ids; None for fewer than two tokens."""
    bigrams = list(pairwise(ids))
    return len(set(bigrams)) / len(bigrams) if bigrams else None


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the quantile of `values`, linear between neighbours; None for none."""
    if not values:
        return None
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
