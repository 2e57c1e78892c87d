"""Decoding in one call, by the decode core and by transformers, for tests that compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    MistralConfig,
    MistralForCausalLM,
)

from steer_tui.engine.decode import Decoder, Drawn, Row
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.resolve import ActiveTerm, resolve
from steer_tui.engine.types import Sampling
from tests.unit.tiny import BLOCKS, CONTEXT, WIDTH, new_vectors, tokenizer

TOKENS = 24


def by_transformers(lm: LanguageModel, prompt: Sequence[int], tokens: int = TOKENS) -> list[int]:
    """Return what the model's own greedy generation adds to a prompt."""
    ids = torch.tensor([list(prompt)])
    options: dict[str, Any] = {"do_sample": False, "max_new_tokens": tokens, "pad_token_id": 0}
    out = lm.model.generate(ids, attention_mask=torch.ones_like(ids), **options)
    return list(out[0, len(prompt) :].tolist())


def drawn(lm: LanguageModel, rows: Sequence[Row], **options: Any) -> list[list[Drawn]]:
    """Decode a batch to its end and return each row's tokens."""
    found: list[list[Drawn]] = [[] for _ in rows]
    with Decoder(lm, rows, **options) as decoder:
        while decoder.alive:
            for token in decoder.step():
                found[token.row].append(token)
    return found


def ids_of(lm: LanguageModel, rows: Sequence[Row]) -> list[list[int]]:
    return [[token.id for token in row] for row in drawn(lm, rows)]


def terms(lm: LanguageModel, recipe: str) -> tuple[ActiveTerm, ...]:
    return resolve(parse_recipe(recipe), new_vectors(lm, "happy", "sad"), lm.info.layers, lm.info.width)


def greedy(prompt: Sequence[int], steer: tuple[ActiveTerm, ...] = (), tokens: int = TOKENS) -> Row:
    return Row(prompt, steer, Sampling(temperature=0, max_tokens=tokens))


def sliding_lm(kind: str) -> LanguageModel:
    """Return a model whose attention sees seven tokens back, in all blocks or in every second one."""
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 4, "num_key_value_heads": 2}
    sizes |= {"intermediate_size": 64, "vocab_size": len(tokenizer()), "max_position_embeddings": CONTEXT}
    shared: dict[str, Any] = {**sizes, "sliding_window": 8, "initializer_range": 0.3, "eos_token_id": None}
    torch.manual_seed(3)
    if kind == "mistral":
        model: Any = MistralForCausalLM(MistralConfig(**shared))
    elif kind == "gemma2":
        model = Gemma2ForCausalLM(Gemma2Config(**shared, head_dim=8, query_pre_attn_scalar=8))
    else:
        every_second = ["sliding_attention", "full_attention"] * (BLOCKS // 2)
        model = Gemma3ForCausalLM(Gemma3TextConfig(**shared, head_dim=8, layer_types=every_second))
    lm = LanguageModel(model, tokenizer())
    lm.eos_ids = frozenset()
    return lm
