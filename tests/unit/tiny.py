"""Random models of a few thousand weights, a tokenizer made in memory and vectors for them: what engine tests run on.

Weights are drawn wide, so that tokens differ and steering moves them; nothing touches a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from steer_tui.engine.model import LanguageModel
from steer_tui.engine.structure import block_tensor
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta

# On a busy machine two threads wait for each other far longer than such small products take.
torch.set_num_threads(1)

BLOCKS, WIDTH, CONTEXT = 4, 32, 256
KINDS = ("llama", "gpt2", "neox", "bloom")
_TEXTS = (
    "The meeting went as planned and everyone wrote a note about it.",
    "I am so happy today, what a wonderful morning!",
    "Grüße aus München: naïve café, 東京 and 🙂 too.",
)


@cache
def tokenizer(bos: bool = True) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of 320 tokens; with `bos` it puts `<s>` in front of every text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(_TEXTS, trainer)
    if bos:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")


def config(kind: str, **options: Any) -> Any:
    """Return the config of a tiny model of that kind."""
    shared = {"vocab_size": len(tokenizer()), "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": None}
    shared |= options
    if kind == "llama":
        sizes = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 4}
        return LlamaConfig(
            **{**sizes, "num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": CONTEXT, **shared}
        )
    if kind == "gpt2":
        return GPT2Config(**{"n_embd": WIDTH, "n_layer": BLOCKS, "n_head": 4, "n_positions": CONTEXT, **shared})
    if kind == "neox":
        sizes = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 4}
        return GPTNeoXConfig(**{**sizes, "intermediate_size": 64, "max_position_embeddings": CONTEXT, **shared})
    return BloomConfig(**{"hidden_size": WIDTH, "n_layer": BLOCKS, "n_head": 4, **shared})


_CLASSES = {"llama": LlamaForCausalLM, "gpt2": GPT2LMHeadModel, "neox": GPTNeoXForCausalLM, "bloom": BloomForCausalLM}


def new_lm(kind: str = "llama", bos: bool = True, dtype: torch.dtype = torch.float32, **options: Any) -> LanguageModel:
    """Return a model of its own; nothing ends its texts unless the caller sets `eos_ids`."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = _CLASSES[kind](config(kind, **options)).to(dtype)
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(weight, std=0.1)
    lm = LanguageModel(model, tokenizer(bos), ref=f"tiny-{kind}", id=f"tiny-{kind}")
    lm.eos_ids = frozenset()
    return lm


@cache
def shared_lm(kind: str = "llama") -> LanguageModel:
    """Return the model of that kind that tests share; leave nothing on it."""
    return new_lm(kind)


def made_for(lm: LanguageModel) -> MadeFor:
    """Return what a vector says of this model."""
    info = lm.info
    return MadeFor(id=info.id, type=info.type, layers=info.layers, width=info.width, fingerprint=info.fingerprint)


def new_vector(
    lm: LanguageModel,
    name: str = "happy",
    *,
    seed: int = 0,
    layers: Sequence[int] | None = None,
    best: Sequence[int] = (1, 2),
    length: float = 3.0,
    origin: float = -0.4,
) -> SteeringVector:
    """Return a vector of random directions; every layer has another length and origin, near those asked for."""
    source = torch.Generator().manual_seed(seed + sum(map(ord, name)))
    chosen = range(lm.info.layers) if layers is None else layers
    raw = {
        layer: length * (1 + 0.1 * layer) * nn.functional.normalize(torch.randn(lm.info.width, generator=source), dim=0)
        for layer in chosen
    }
    origins = {layer: origin * (1 + layer) for layer in chosen}
    return SteeringVector(name, raw, VectorMeta(name, made_for(lm), best_layers=tuple(best), origin=origins))


def new_vectors(lm: LanguageModel, *names: str) -> dict[str, SteeringVector]:
    """Return a vector per name, each in its own direction."""
    return {name: new_vector(lm, name, seed=place) for place, name in enumerate(names)}


def random_ids(lm: LanguageModel, count: int, seed: int = 0) -> list[int]:
    """Return ids of ordinary tokens."""
    source = torch.Generator().manual_seed(seed)
    return torch.randint(2, len(tokenizer()), (count,), generator=source).tolist()


@contextmanager
def hooked(lm: LanguageModel, act: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Call `act(layer, block output)` on every block with plain hooks; a tensor it returns goes on instead."""

    def hook(layer: int) -> Callable[..., Any]:
        def run(module: nn.Module, inputs: Any, output: Any) -> Any:
            changed = act(layer, block_tensor(output))
            if changed is None:
                return None
            return changed if isinstance(output, Tensor) else (changed, *output[1:])

        return run

    handles = [block.register_forward_hook(hook(layer)) for layer, block in enumerate(lm.structure.blocks)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def left_behind(lm: LanguageModel) -> list[str]:
    """Return the modules that still carry a hook or a forward of their own."""
    return [
        name
        for name, module in lm.model.named_modules()
        if module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__
    ]
