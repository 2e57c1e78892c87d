"""The texts that move each neuron most: value, text and token, the top few per neuron, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.detectors import ReadyDetector
from steer_tui.engine.hooks import HookType
from steer_tui.errors import UsageError
from steer_tui.text import clean

_MOST_TEXTS = 1000
_CONTEXT = 64
"""Tokens of a text that are kept before and including the one that counts."""


@dataclass(frozen=True)
class TopText:
    """One of a neuron's texts."""

    text: str
    """Up to and including the token, cleaned; the last tokens of a long one."""
    score: float
    """The neuron's activation at the token."""
    token_idx: int
    """Absolute position of the token."""
    token_str: str


class TopKTextsDetector(ReadyDetector):
    """Keeps, for each neuron of the last axis, the `top_k` tokens at which it was greatest, one per text and pass."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        top_k: int = 10,
        *,
        tokenizer: Any,
        neurons: Sequence[int] | None = None,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a detector.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            top_k: Texts per neuron, 1 to 1000.
            tokenizer: Turns ids into text when texts are asked for: `lm.tokenizer`.
            neurons: Indices of the last axis; None for all.
            hook_type: Side of the module, where the signature is a module.
            rows: Rows of a batch that it reads; None for all.
        """
        super().__init__(layer_signature, hook_type=hook_type, rows=rows)
        if not 1 <= top_k <= _MOST_TEXTS:
            raise UsageError(f"top_k {top_k} is not between 1 and {_MOST_TEXTS}")
        self.top_k = top_k
        self.neurons = list(neurons) if neurons is not None else None
        self._tokenizer = tokenizer
        self._scores: Tensor | None = None  # (top_k, neurons), -inf where there is no text yet
        self._places = torch.zeros(0, dtype=torch.long)  # (top_k, neurons), keys of `_texts`
        self._texts: dict[int, tuple[tuple[int, ...], int]] = {}  # key -> (ids, position of the last one)
        self._next = 1
        self._tails: dict[int, deque[int]] = {}

    def read(self, activation: Tensor) -> None:
        """Compare each row's greatest values with those kept."""
        moment = self.now(activation)
        ids = moment.ids
        if ids is None or "key" in moment.axes:
            raise UsageError("texts can be kept only at points with one activation per token")
        values = (activation.flatten(2) if activation.dim() > 2 else activation.unsqueeze(-1)).detach().float()
        values = values if self.neurons is None else values[..., self.neurons]
        positions = moment.positions
        values = values.masked_fill((positions < 0).unsqueeze(-1), -torch.inf)
        best = values.max(dim=1)
        rows = zip(moment.rows, best.values, best.indices.cpu(), ids.tolist(), positions.tolist(), strict=True)
        for row, scores, indices, line, places in rows:
            tokens = [token for token, place in zip(line, places, strict=True) if place >= 0]
            begins = next((place for place in places if place >= 0), 0) == 0
            before = [] if begins else list(self._tails.get(row, ()))
            self._offer(scores, indices, before, line, places)
            tail = self._tails[row] = deque(before, maxlen=_CONTEXT)
            tail.extend(tokens)

    def get_captured(self) -> dict[int, list[TopText]] | None:
        """Return neuron -> its texts, the greatest first; None before the first pass."""
        if self._scores is None:
            return None
        names = self.neurons if self.neurons is not None else range(self._scores.shape[1])
        return {neuron: self.top_texts(neuron) for neuron in names}

    def top_texts(self, neuron: int) -> list[TopText]:
        """Return a neuron's texts, the greatest first.

        Raises:
            UsageError: The neuron is not among those that are kept.
        """
        if self._scores is None:
            return []
        names = self.neurons if self.neurons is not None else list(range(self._scores.shape[1]))
        if neuron not in names:
            raise UsageError(f"neuron {neuron} is not kept", hint=f"there are {len(names)}")
        column = names.index(neuron)
        pairs = zip(self._scores[:, column].tolist(), self._places[:, column].tolist(), strict=True)
        return [self._shown(score, key) for score, key in pairs if key]

    def strongest(self, count: int) -> list[int]:
        """Return the neurons with the greatest activations, the greatest first; empty before the first pass."""
        if self._scores is None:
            return []
        best = self._scores[0].topk(min(count, self._scores.shape[1])).indices.tolist()
        return [self.neurons[place] for place in best] if self.neurons is not None else best

    def clear_captured(self) -> None:
        """Forget all texts."""
        super().clear_captured()
        self._scores, self._places = None, torch.zeros(0, dtype=torch.long)
        self._texts.clear()
        self._tails.clear()

    def _offer(self, scores: Tensor, indices: Tensor, before: list[int], line: list[int], places: list[int]) -> None:
        """Merge one text's greatest values, (neurons,), into those kept."""
        keys = torch.zeros_like(indices)
        for index in indices.unique().tolist():
            keys[indices == index] = self._next
            known = [token for token, place in zip(line[: index + 1], places, strict=False) if place >= 0]
            self._texts[self._next] = (tuple([*before, *known][-_CONTEXT:]), places[index])
            self._next += 1
        scores = scores.cpu()
        if self._scores is None:
            self._scores = torch.full((self.top_k, scores.shape[0]), -torch.inf)
            self._places = torch.zeros(self.top_k, scores.shape[0], dtype=torch.long)
        all_scores = torch.cat([self._scores, scores.unsqueeze(0)])
        all_places = torch.cat([self._places, keys.unsqueeze(0)])
        self._scores, order = all_scores.topk(self.top_k, dim=0)
        self._places = all_places.gather(0, order)
        if len(self._texts) > 2 * self._places.numel() + 64:
            used = set(self._places.unique().tolist())
            self._texts = {key: text for key, text in self._texts.items() if key in used}

    def _shown(self, score: float, key: int) -> TopText:
        ids, position = self._texts[key]
        decode = self._tokenizer.decode
        return TopText(clean(decode(list(ids))), score, position, clean(decode([ids[-1]])))
