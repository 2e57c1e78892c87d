"""A Llama of 134 million random weights, built in memory: the size of a small real model, for measuring speed only.

Promises the same weights on every machine and no file. Its text means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from steer_tui.engine.model import LanguageModel

NAME = "random-llama"
_SEED = 124


class NumberTokenizer:
    """Writes a token as its number; stands where a model needs a tokenizer and nobody reads the text."""

    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None
    chat_template: str | None = None
    all_special_ids: tuple[int, ...] = ()

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Return one id per byte of the text."""
        return {"input_ids": [byte % self._size for byte in text.encode("utf-8", "replace")]}

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """Return the ids as numbers, each after a blank."""
        return "".join(f" {token}" for token in token_ids)


def random_llama(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> LanguageModel:
    """Build the model: width 768, 12 blocks, 12 heads, 2048 in the feed-forward part, 32,000 tokens."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=12,
        intermediate_size=2048,
        vocab_size=32_000,
        max_position_embeddings=8192,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        model = LlamaForCausalLM(config).to(device=device, dtype=dtype)
    return LanguageModel(model, NumberTokenizer(config.vocab_size), ref=NAME, id=NAME)
