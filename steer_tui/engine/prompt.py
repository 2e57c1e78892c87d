"""Turns a prompt into token ids, and rows of ids into a left-padded batch.

Promises: the chat template is applied once, there is never a second BOS, never an empty sequence. Knows nothing of
models' weights or of steering.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from steer_tui.errors import ModelError, UsageError


def encode(tokenizer: Any, prompt: str, raw: bool = False, *, context: int = 0) -> list[int]:
    """Return the token ids of a prompt, one id at least.

    Args:
        tokenizer: A transformers tokenizer.
        prompt: Any string; lone surrogates become U+FFFD.
        raw: True bypasses the chat template.
        context: Longest sequence that the model takes; 0 where it names none.

    Raises:
        UsageError: The prompt has more tokens than `context`.
        ModelError: The tokenizer's chat template fails.
    """
    text = without_surrogates(prompt)
    ids = _templated(tokenizer, text) if has_chat_template(tokenizer) and not raw else _plain(tokenizer, text)
    if not ids:
        ids = [_first_id(tokenizer)]
    if context and len(ids) > context:
        raise UsageError(
            f"the prompt has {len(ids)} tokens, the model takes {context}",
            hint=f"shorten it by {len(ids) - context} tokens or choose a model with a longer context",
        )
    return ids


def has_chat_template(tokenizer: Any) -> bool:
    """Return whether prompts to this tokenizer are wrapped as a chat message unless asked raw."""
    return bool(getattr(tokenizer, "chat_template", None))


def without_surrogates(text: str) -> str:
    """Return `text` with lone surrogates replaced by U+FFFD and surrogate pairs joined to their character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def pad_left(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return (ids, mask), both int64 (B, T): rows end together, mask 1 on tokens and 0 on padding."""
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for index, row in enumerate(rows):
        start = length - len(row)
        ids[index, start:] = torch.tensor(list(row), dtype=torch.long)
        mask[index, start:] = 1
    return ids.to(device), mask.to(device)


def positions(mask: Tensor) -> Tensor:
    """Return absolute positions, int64 (B, T), of a left-padded batch; padding counts as position 0."""
    return (mask.long().cumsum(-1) - 1).clamp(min=0)


def _templated(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of `text` as one user message, ready for the answer."""
    messages = [{"role": "user", "content": text}]
    try:
        full = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template is a program from the model's author and may raise anything
        raise ModelError(
            f"the model's chat template fails: {error}", hint="bypass it with `--raw`, or choose another model"
        ) from error
    # The template writes BOS itself where the model wants one; the tokenizer must not add another.
    return single_bos(tokenizer, list(tokenizer(full, add_special_tokens=False)["input_ids"]))


def _plain(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of `text` with what the tokenizer puts in front, without an EOS behind."""
    ids = single_bos(tokenizer, list(tokenizer(text)["input_ids"]))
    bare = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    eos = tokenizer.eos_token_id
    # A tokenizer that closes every text with EOS would end the generation before it begins.
    if len(ids) > len(bare) and ids and ids[-1] == eos and (not bare or bare[-1] != eos) and len(ids) > 1:
        ids.pop()
    return ids


def single_bos(tokenizer: Any, ids: list[int]) -> list[int]:
    """Return ids with one BOS in front where there are several."""
    bos = tokenizer.bos_token_id
    while bos is not None and ids[:2] == [bos, bos]:
        ids = ids[1:]
    return ids


def _first_id(tokenizer: Any) -> int:
    """Return the id that stands for an empty prompt: BOS, else EOS, else padding, else 0."""
    for candidate in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if candidate is not None:
            return int(candidate)
    return 0
