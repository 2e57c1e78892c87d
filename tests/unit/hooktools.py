"""What tests of hooks share: models with biases that are not zero, one to compute by hand, a look for leftovers."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig
from transformers.modeling_outputs import CausalLMOutput

from steer_tui.engine.model import LanguageModel
from tests.unit.architectures import build_model
from tests.unit.tiny import left_behind, tokenizer

PROMPT = "The meeting went as planned"
SHORT = "I am so"
LONG = "I am so happy today, what a wonderful morning!"
TAPPED = ("hook_q", "hook_k", "hook_v", "hook_attn_scores", "hook_pattern")
PARALLEL = ("gpt-neox", "gptj", "falcon", "phi")
"""Architectures whose attention and MLP read the same stream."""


@cache
def model_of(name: str) -> LanguageModel:
    """Return the tiny model of an architecture with biases and norms that are not zero and one; leave it as it was."""
    model = build_model(name)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                nn.init.normal_(parameter, mean=parameter.mean().item(), std=0.1)
    return LanguageModel(model, tokenizer(), ref=name, id=name)


def is_clean(lm: LanguageModel) -> bool:
    """Say whether the model carries no hook, no tap and its own attention."""
    tapped = [m for m in lm.model.modules() if "_steer_tui_tap" in m.__dict__]
    implementation = lm.model.config._attn_implementation if hasattr(lm.model, "config") else ""
    return not left_behind(lm) and not tapped and implementation != "steer_tui_taps" and not lm.layers.attached


class LinearConfig(PretrainedConfig):
    """Of a model that can be computed by hand."""

    model_type = "linear"

    def __init__(self, **options: Any) -> None:
        self.hidden_size, self.num_hidden_layers, self.num_attention_heads = 2, 2, 1
        super().__init__(**options)


class LinearPart(nn.Module):
    """Multiplies by a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.c_proj = nn.Linear(2, 2, bias=False)
        self.c_proj.weight = nn.Parameter(factor * torch.eye(2))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.c_proj(hidden_states)


class LinearBlock(nn.Module):
    """h + a h, then h + m h."""

    def __init__(self, attention: float, mlp: float) -> None:
        super().__init__()
        self.attn = LinearPart(attention)
        self.mlp = LinearPart(mlp)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        hidden_states = hidden_states + self.attn(hidden_states)
        return hidden_states + self.mlp(hidden_states)


class LinearModel(nn.Module):
    """Two blocks; token t is (t, 1); the logits are (h0, h1, h0 - h1)."""

    def __init__(self, factors: tuple[tuple[float, float], ...] = ((2.0, 3.0), (0.5, -0.25))) -> None:
        super().__init__()
        self.config = LinearConfig()
        words = len(tokenizer())
        self.embed = nn.Embedding(words, 2)
        self.embed.weight = nn.Parameter(torch.tensor([[float(token), 1.0] for token in range(words)]))
        self.blocks = nn.ModuleList(LinearBlock(*pair) for pair in factors)
        self.head = nn.Linear(2, 3, bias=False)
        self.head.weight = nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]))

    def get_input_embeddings(self) -> nn.Module:
        return self.embed

    def get_output_embeddings(self) -> nn.Module:
        return self.head

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None, **options: Any) -> CausalLMOutput:
        hidden = self.embed(input_ids)
        for block in self.blocks:
            hidden = block(hidden)
        return CausalLMOutput(logits=self.head(hidden))


@cache
def linear_model() -> LanguageModel:
    """Return the model that can be computed by hand: with token t, h = (t, 1) times 3 * 4 * 1.5 * 0.75 = 13.5."""
    return LanguageModel(LinearModel(), tokenizer(), ref="linear", id="linear")
