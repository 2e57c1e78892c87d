"""Tiny random models of many architectures with one tokenizer: what must hold for every one is tested on these.

Each has three blocks of width 32 with weights drawn wide, so that no two tokens give the same logits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import transformers
from torch import nn

from steer_tui.engine.model import LanguageModel
from tests.unit.tiny import tokenizer

LAYERS, WIDTH, HEADS, CONTEXT = 3, 32, 4, 64
_MODERN: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
}
_GPT: dict[str, Any] = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": CONTEXT}
_OPT: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "ffn_dim": 48,
    "max_position_embeddings": CONTEXT,
    "word_embed_proj_dim": WIDTH,
}
_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", _GPT),
    "gpt-neo": (
        "GPTNeo",
        {
            "hidden_size": WIDTH,
            "num_layers": LAYERS,
            "num_heads": HEADS,
            "max_position_embeddings": CONTEXT,
            "attention_types": [[["global", "local", "global"], 1]],
            "window_size": 8,
        },
    ),
    "gpt-neox": (
        "GPTNeoX",
        {
            "hidden_size": WIDTH,
            "intermediate_size": 48,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "max_position_embeddings": CONTEXT,
        },
    ),
    "gptj": ("GPTJ", _GPT | {"rotary_dim": 4}),
    "opt": ("OPT", _OPT),
    "bloom": ("Bloom", {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": HEADS}),
    "falcon": (
        "Falcon",
        {
            "hidden_size": WIDTH,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "max_position_embeddings": CONTEXT,
        },
    ),
    "mpt": ("Mpt", {"d_model": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "max_seq_len": CONTEXT}),
    "llama": ("Llama", _MODERN),
    "mistral": ("Mistral", _MODERN | {"head_dim": 8}),
    "mixtral": ("Mixtral", _MODERN | {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "phi": ("Phi", _MODERN),
    "phi3": ("Phi3", _MODERN),
    "qwen2": ("Qwen2", _MODERN),
    "qwen3": ("Qwen3", _MODERN | {"head_dim": 8}),
    "gemma2": ("Gemma2", _MODERN | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}),
    "gemma3": ("Gemma3Text", _MODERN | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}),
    "olmo2": ("Olmo2", _MODERN),
    "stablelm": ("StableLm", _MODERN),
    "granite": ("Granite", _MODERN),
}
_MODEL_NAMES = {"GPT2": "GPT2LMHeadModel", "Gemma3Text": "Gemma3ForCausalLM"}
ARCHITECTURES: tuple[str, ...] = tuple(_CONFIGS)


def architecture(name: str) -> LanguageModel:
    """Return the tiny random model of this architecture, the same one at every call: leave it as it was."""
    return _built(name)


def build_model(name: str, seed: int = 0, **options: Any) -> Any:
    """Return a new transformers model of this architecture; options go to its config."""
    prefix, sizes = _CONFIGS[name]
    made = tokenizer()
    ids = {"bos_token_id": made.bos_token_id, "eos_token_id": made.eos_token_id, "pad_token_id": None}
    settings = sizes | ids | {"vocab_size": len(made)} | options
    config_class: Callable[..., Any] = getattr(transformers, f"{prefix}Config")
    config = config_class(**settings)
    model_class: Callable[..., Any] = getattr(transformers, _MODEL_NAMES.get(prefix, f"{prefix}ForCausalLM"))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: nn.Module = model_class(config)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.15)
    return model.eval()


@cache
def _built(name: str) -> LanguageModel:
    return LanguageModel(build_model(name), tokenizer(), ref=name, id=name)
