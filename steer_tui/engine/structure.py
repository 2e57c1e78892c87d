"""Finds where a causal language model keeps its blocks, and is the one place that knows what a block returns.

Promises: blocks are found by structure, whatever the architecture calls them; a block's output is read and replaced
through `block_tensor` and `with_block_tensor` only. Knows nothing of hooks, recipes, tokenizers or files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from steer_tui.errors import ModelError

REFUSED: dict[str, str] = {
    "blt": "its blocks see patches of bytes, not tokens",
    "hrm_text": "it runs its blocks several times per token",
    "reformer": "its residual stream is split in two",
    "xlm": "it keeps attention and MLP in separate lists, not in blocks",
    "xlnet": "its blocks keep positions before rows",
}
"""`config.model_type` -> why its structure would mislead: architectures that are causal LMs and cannot be steered."""

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_MLP = re.compile(r"mlp|ffn|feed_?forward|moe|experts|^ff$", re.IGNORECASE)
_NORM = re.compile(r"norm|^ln_", re.IGNORECASE)
_LAST_NORM = re.compile(r"final|^(layer_?|out_)?norm$|^(norm|ln)_(f|out)$", re.IGNORECASE)
_EMBEDDING_NORM = re.compile(r"layer_?norm_embed|embeddings_")
_READS = re.compile(r"^(w?[qkv]+|[qkv]\w*_proj|.*qkv.*|query\w*|key\w*|value\w*|c_attn|g_proj|gate\w*)$", re.IGNORECASE)
_WRITES = re.compile(
    r"^(o_proj|out_proj|c_proj|down_proj|fc_out|fc2|w2|wo|dense|dense_4h_to_h|output_linear)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Structure:
    """The parts of a causal LM that steering reads and writes; modules are the model's own, never copies."""

    blocks: tuple[nn.Module, ...]
    """In order of execution."""
    block_path: str
    """Path of their list, such as `model.layers`; block 3 is the module `model.layers.3`."""
    embed: nn.Module
    final_norm: nn.Module | None
    """Applied to the last block's output before the unembedding; None where the model has none."""
    unembed: nn.Module
    width: int
    """Width of the residual stream."""

    def path(self, index: int) -> str:
        """Return the module path of block `index`."""
        return f"{self.block_path}.{index}"

    def attn(self, index: int) -> nn.Module | None:
        """Return the attention module of block `index`; None where the block has none (a state-space block)."""
        return _part(self.blocks[index], _ATTENTION)

    def mlp(self, index: int) -> nn.Module | None:
        """Return the MLP or expert module of block `index`; None where its layers lie in the block itself (OPT)."""
        return _part(self.blocks[index], _MLP)

    def attn_out(self, index: int) -> nn.Module | None:
        """Return the linear layer by which attention writes to the residual stream; None where there is none."""
        attn = self.attn(index)
        return None if attn is None else _writer(attn, self.width)

    def mlp_out(self, index: int) -> nn.Module | None:
        """Return the linear layer by which the MLP writes to the residual stream; None for fused experts."""
        mlp = self.mlp(index)
        if mlp is not None:
            return _writer(mlp, self.width)
        linears = [m for m in self.blocks[index].children() if _out_features(m) == self.width]
        return linears[-1] if linears else None


def block_tensor(output: Any) -> Tensor:
    """Return the residual stream, (B, T, D), from what a block returned: a tensor, or a tuple that begins with it.

    Raises:
        ModelError: The block returned something else.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor):
        return output[0]
    raise ModelError(
        f"a block of this model returns {type(output).__name__}, not a tensor",
        hint="this architecture cannot be steered; choose another model with `m`",
    )


def with_block_tensor(output: Any, tensor: Tensor) -> Any:
    """Return what a block returned with its residual stream replaced by `tensor`; `output` is left as it was."""
    if isinstance(output, Tensor):
        return tensor
    block_tensor(output)
    return type(output)((tensor, *output[1:]))


def find_structure(model: nn.Module) -> Structure:
    """Find the blocks, embedding, final norm and unembedding of a transformers causal LM.

    Raises:
        ModelError: The model is no causal LM, or no list of blocks is found in it.
    """
    config = getattr(model, "config", None)
    text_config = config.get_text_config() if config is not None else None
    embed, unembed = _embeddings(model)
    if embed is None or unembed is None or getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{type(model).__name__} is no causal language model",
            hint="choose a decoder-only model; `steer-tui models` lists those in the local cache",
        )
    kind = getattr(text_config, "model_type", "")
    if kind in REFUSED:
        raise ModelError(f"models of type {kind} cannot be steered: {REFUSED[kind]}", hint="choose another model")
    path, blocks = _find_blocks(model, text_config, embed)
    parent = model.get_submodule(path.rpartition(".")[0])
    width = getattr(text_config, "hidden_size", None) or _parameter_width(embed)
    return Structure(tuple(blocks), path, embed, _final_norm(parent), unembed, int(width))


def _embeddings(model: nn.Module) -> tuple[nn.Module | None, nn.Module | None]:
    """Return (input embedding, unembedding); None where the model does not say."""
    try:
        return model.get_input_embeddings(), model.get_output_embeddings()  # type: ignore[operator]
    except (AttributeError, NotImplementedError, TypeError):
        return None, None


def _find_blocks(model: nn.Module, text_config: Any, embed: nn.Module) -> tuple[str, nn.ModuleList]:
    """Return path and list of blocks: of the config's length, then nearest the embedding, longest, heaviest."""
    lists = list(_outermost_lists(model))
    if not lists:
        raise ModelError(
            f"no list of blocks found in {type(model).__name__}", hint="this architecture cannot be steered yet"
        )
    wanted = getattr(text_config, "num_hidden_layers", None)
    embed_path = next(path for path, module in model.named_modules() if module is embed)

    def rank(entry: tuple[str, nn.ModuleList]) -> tuple[bool, int, int, int]:
        path, modules = entry
        return (len(modules) == wanted, _shared_depth(path, embed_path), len(modules), _weight(modules))

    return max(lists, key=rank)


def _outermost_lists(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.ModuleList]]:
    """Yield every non-empty ModuleList of modules with weights that lies in no other such list."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, nn.ModuleList) and len(child) and all(_weight(item) for item in child):
            yield path, child
        else:
            yield from _outermost_lists(child, f"{path}.")


def _shared_depth(first: str, second: str) -> int:
    """Return how many leading parts two module paths share."""
    depth = 0
    for a, b in zip(first.split("."), second.split("."), strict=False):
        if a != b:
            break
        depth += 1
    return depth


def _final_norm(parent: nn.Module) -> nn.Module | None:
    """Return the norm beside the list of blocks: by its usual names, else the last one made after the blocks."""
    children = list(parent.named_children())
    first = next(index for index, (_, child) in enumerate(children) if isinstance(child, nn.ModuleList))
    norms = [
        (index, name, child)
        for index, (name, child) in enumerate(children)
        if (_NORM.search(name) or _NORM.search(type(child).__name__)) and not _EMBEDDING_NORM.match(name)
    ]
    named = [child for _, name, child in norms if _LAST_NORM.search(name)]
    if named:
        return named[-1]
    return next((child for index, _, child in reversed(norms) if index > first), None)


def _part(block: nn.Module, kind: re.Pattern[str]) -> nn.Module | None:
    """Return the child of a block that has matrices and is of this kind by name, else by class."""
    parts = [(name, child) for name, child in block.named_children() if _has_matrix(child)]
    for name, child in parts:
        if kind.search(name):
            return child
    return next((child for _, child in parts if kind.search(type(child).__name__)), None)


def _writer(module: nn.Module, width: int) -> nn.Module | None:
    """Return the linear layer of a part that ends in the residual stream: by name, else the last one of that width."""
    linears = [
        (name.rpartition(".")[2], child) for name, child in module.named_modules() if _out_features(child) == width
    ]
    named = [child for name, child in linears if _WRITES.match(name)]
    if named:
        return named[-1]
    others = [child for name, child in linears if not _READS.match(name)]
    return others[-1] if others else None


def _out_features(module: nn.Module) -> int | None:
    """Return the output width of a linear layer, GPT-2's Conv1D included; None for any other module."""
    if isinstance(module, nn.Linear):
        return module.out_features
    return int(module.nf) if type(module).__name__ == "Conv1D" and hasattr(module, "nf") else None  # type: ignore[arg-type]


def _has_matrix(module: nn.Module) -> bool:
    return any(parameter.dim() >= 2 for parameter in module.parameters())


def _weight(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _parameter_width(module: nn.Module) -> int:
    return next(int(parameter.shape[-1]) for parameter in module.parameters())
