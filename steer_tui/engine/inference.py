"""Runs texts through a model with its hooks: left-padded batches, logits, losses.

Rows do not depend on their neighbours: every row stands at its own absolute positions, and padding is masked. Knows
nothing of generation.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from steer_tui.engine.prompt import pad_left, positions
from steer_tui.errors import UsageError

Prompt = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | Tensor
"""A text, several texts, token ids of one text or of several, or ids (B, T) or (T,) without padding."""


def forward(lm: Any, ids: Tensor, mask: Tensor, **options: Any) -> Any:
    """Run a left-padded batch, int64 (B, T) each, and return the transformers output; logits are (B, T, V)."""
    accepted = inspect.signature(lm.model.forward).parameters
    if "position_ids" in accepted:
        options["position_ids"] = positions(mask)
    if not bool(mask.all()) or "position_ids" not in accepted:
        options["attention_mask"] = mask
    with lm.layers.run():
        return lm.model(input_ids=ids, use_cache=False, return_dict=True, **options)


def batch_of(lm: Any, prompt: Prompt, raw: bool = True) -> tuple[Tensor, Tensor]:
    """Return (ids, mask), int64 (B, T) on the model's device, of a prompt or of several.

    Raises:
        UsageError: There is no text, ids are out of range, or a text is longer than the model's context.
    """
    words = lm.structure.embed.weight.shape[0]
    if not isinstance(prompt, Iterable):
        raise UsageError(f"{type(prompt).__name__} is no prompt", hint="give a text, texts, or token ids")
    if isinstance(prompt, Tensor):
        if prompt.is_floating_point():
            raise UsageError("a prompt of numbers holds token ids, which are whole", hint="give them as int64")
        ids = prompt.long().reshape(-1, prompt.shape[-1] if prompt.dim() else 1).to(lm.device)
        _check_ids([int(ids.min()), int(ids.max())] if ids.numel() else [], words)
        _check_length(lm, ids.shape[1])
        return ids, torch.ones_like(ids)
    if isinstance(prompt, str):
        rows = [lm.encode(prompt, raw=raw)]
    else:
        items: list[Any] = list(prompt)
        items = [items] if items and isinstance(items[0], int) else items
        rows = [lm.encode(item, raw=raw) if isinstance(item, str) else [int(token) for token in item] for item in items]
    for row in rows or [[]]:
        _check_ids(row, words)
        _check_length(lm, len(row))
    return pad_left(rows, lm.pad_id, lm.device)


def _check_ids(ids: Sequence[int], words: int) -> None:
    if not ids:
        raise UsageError("there is no text to run", hint="give at least one prompt")
    wrong = [token for token in ids if not 0 <= token < words]
    if wrong:
        raise UsageError(f"token id {wrong[0]} is out of range", hint=f"the model knows ids 0 to {words - 1}")


def _check_length(lm: Any, length: int) -> None:
    if lm.info.context and length > lm.info.context:
        raise UsageError(
            f"the prompt has {length} tokens, the model takes {lm.info.context}",
            hint="shorten it, or choose a model with a longer context",
        )


def loss_of(logits: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross-entropy of every next token, in nats; padding is left out, a single token gives NaN."""
    told = (mask[:, 1:] * mask[:, :-1]).bool()
    return F.cross_entropy(logits[:, :-1][told].float(), ids[:, 1:][told])


def grad_mode(keep_graph: bool) -> AbstractContextManager[Any]:
    """Return the context of a run: with the graph, as the caller has it, or without."""
    return nullcontext() if keep_graph else torch.no_grad()


class Inference:
    """`lm.inference`: texts in, outputs and encodings out, with the hooks that are registered."""

    def __init__(self, lm: Any) -> None:
        self._lm = lm

    def execute_inference(
        self,
        texts: str | Sequence[str],
        with_controllers: bool = True,
        *,
        raw: bool = True,
        keep_graph: bool = False,
    ) -> tuple[Any, Any]:
        """Run texts as one left-padded batch.

        Args:
            texts: At least one.
            with_controllers: False lets only detectors act.
            raw: False puts each text through the chat template, where there is one.
            keep_graph: True keeps the autograd graph.

        Returns:
            (outputs, encodings): outputs.logits is (B, T, V); encodings holds input_ids and attention_mask, (B, T).

        Raises:
            UsageError: No text, or one longer than the context.
            HookError: A hook failed; none is left on the model.
        """
        from transformers import BatchEncoding

        ids, mask = batch_of(self._lm, texts, raw)
        quiet = nullcontext() if with_controllers else self._lm.layers.without_controllers()
        with quiet, grad_mode(keep_graph):
            outputs = forward(self._lm, ids, mask)
        return outputs, BatchEncoding({"input_ids": ids, "attention_mask": mask})
