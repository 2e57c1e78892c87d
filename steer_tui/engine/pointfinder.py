"""Where a model keeps its hook points: TransformerLens names mapped to modules by structure, whatever the architecture.

Needs no pass through the model save for `hook_resid_mid`, which `probe` finds. Promises that every name of the list is
there for every block, with a reason where the architecture cannot give it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from torch import nn

from steer_tui.engine.points import TAPS, HookPoint, PointTable, Side
from steer_tui.engine.probe import ROWS, TOKENS, Probe, takes_residual
from steer_tui.engine.structure import Structure

_POSITIONS = re.compile(r"^(wpe|(?!rot)\w*(pos\w*_emb|emb\w*_pos)\w*)$")
_ACTIVATION = re.compile(r"(^|_)(act|activation|act_fn|activation_fn|gelu_impl|nonlinearity)$")
_EXPERTS = re.compile(r"expert|router", re.IGNORECASE)
_AFTER_ROTARY = "as attention uses it: after the rotary embedding where there is one; k and v with all cached positions"

Axes = tuple[tuple[str, ...], tuple[int | None, ...]]


def linear_sizes(module: nn.Module) -> tuple[int, int] | None:
    """Return (in, out) of a linear layer, GPT-2's Conv1D included; None for any other module."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if type(module).__name__ == "Conv1D":
        weight: Any = module.weight
        return int(weight.shape[0]), int(weight.shape[1])
    return None


def activation_module(part: nn.Module) -> nn.Module | None:
    """Return the nonlinearity of an MLP, or of a block whose MLP lies in it; None where it is no module."""
    for name, child in part.named_children():
        if _ACTIVATION.search(name) and next(child.parameters(), None) is None:
            return child
    return None


def head_count(config: Any) -> int:
    """Return the number of query heads of a text config."""
    for name in ("num_attention_heads", "num_heads", "n_head", "n_heads"):
        value = getattr(config, name, None)
        if isinstance(value, int):
            return value
    return 0


def kv_head_count(attn: nn.Module, config: Any, heads: int) -> int:
    """Return the number of key heads that attention works on."""
    for module in attn.modules():
        groups = getattr(module, "num_key_value_groups", None)
        if isinstance(groups, int) and groups > 0:
            return heads // groups
        own = getattr(module, "num_kv_heads", None)
        if isinstance(own, int):
            return heads if getattr(module, "new_decoder_architecture", False) else own
    return int(getattr(config, "num_key_value_heads", None) or heads)


def tap_kind(attn: nn.Module) -> str | None:
    """Return how attention can be tapped: "interface", "trace" (products and a softmax of its own), None not at all."""
    for module in attn.modules():
        forward = inspect.unwrap(type(module).forward)
        if "ALL_ATTENTION_FUNCTIONS" in getattr(forward, "__globals__", {}) and _says(module, "attention_interface"):
            return "interface"
    for module in attn.modules():
        if type(module).__module__.startswith("torch."):
            continue
        if _says(module, "softmax") or _says(module, "scaled_dot_product_attention"):
            return "trace"
    return None


def _says(module: nn.Module, word: str) -> bool:
    """Say whether the source of a module's class contains a word."""
    try:
        return word in inspect.getsource(type(module)).lower()
    except (OSError, TypeError):
        return False


class PointFinder:
    """Builds the table of points of one model."""

    def __init__(self, model: Any, structure: Structure) -> None:
        self._model = model
        self._structure = structure
        self._config = model.config.get_text_config()
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._heads = head_count(self._config)

    def table(self, probe: Probe | None) -> PointTable:
        """Return every point; without a probe, `hook_resid_mid` is missing and most module shapes are unknown."""
        named = [*self._embeddings()]
        for index in range(len(self._structure.blocks)):
            named.extend(self._block(index, probe))
        named.extend(self._ends())
        return PointTable(named, self._modules(probe), len(self._structure.blocks))

    def _embeddings(self) -> Iterator[HookPoint]:
        stream = _stream(_embedding_width(self._structure.embed) or self._structure.width)
        yield HookPoint("hook_tokens", self._paths[id(self._structure.embed)], "input", ("batch", "pos"), (None, None))
        yield HookPoint("hook_embed", self._paths[id(self._structure.embed)], "output", *stream)
        parent = self._model.get_submodule(self._structure.block_path.rpartition(".")[0])
        found = next((child for name, child in parent.named_children() if _POSITIONS.match(name)), None)
        reason = None if found is not None else "positions are rotary or alibi: nothing is added to the embedding"
        path = self._paths[id(found)] if found is not None else ""
        yield HookPoint("hook_pos_embed", path, "output", *stream, reason=reason)

    def _block(self, index: int, probe: Probe | None) -> Iterator[HookPoint]:
        prefix, path = f"blocks.{index}.", self._structure.path(index)
        stream = _stream(self._structure.width)
        yield HookPoint(f"{prefix}hook_resid_pre", path, "input", *stream, index)
        yield from self._attention(index, prefix)
        if probe is not None:
            middle = probe.middles[index]
            side: Side = "output" if middle.side == "output" else "residual"
            yield HookPoint(f"{prefix}hook_resid_mid", middle.module, side, *stream, index, reason=middle.reason)
        yield from self._mlp(index, prefix)
        yield HookPoint(f"{prefix}hook_resid_post", path, "output", *stream, index)

    def _attention(self, index: int, prefix: str) -> Iterator[HookPoint]:
        attn, writer = self._structure.attn(index), self._structure.attn_out(index)
        sizes = linear_sizes(writer) if writer is not None else None
        ok = attn is not None and sizes is not None and self._heads and sizes[0] % self._heads == 0
        width = sizes[0] // self._heads if ok and sizes is not None else None
        missing = (
            None if ok else f"block {index} has no attention with an output projection that heads can be told from"
        )
        kind = tap_kind(attn) if attn is not None else None
        closed = missing or (
            None if kind else f"{type(attn).__name__} shows neither a softmax nor an attention function"
        )
        path = self._paths[id(attn)] if attn is not None else ""
        for side in TAPS:
            axes = self._tap_axes(side, attn, width)
            note = "" if side in ("attn_scores", "pattern") else _AFTER_ROTARY
            yield HookPoint(f"{prefix}attn.hook_{side}", path, side, *axes, index, reason=closed, note=note)
        out = self._paths[id(writer)] if writer is not None else ""
        heads = (("batch", "pos", "head", "d_head"), (None, None, self._heads or None, width))
        yield HookPoint(f"{prefix}attn.hook_z", out, "input", *heads, index, self._heads if ok else 0, missing)
        gone = None if writer is not None else missing
        yield HookPoint(f"{prefix}hook_attn_out", out, "output", *_stream(self._structure.width), index, reason=gone)

    def _tap_axes(self, side: str, attn: nn.Module | None, width: int | None) -> Axes:
        if side in ("attn_scores", "pattern"):
            return ("batch", "head", "pos", "key"), (None, self._heads or None, None, None)
        if side in ("q", "k") and attn is not None:
            own = [getattr(module, "qk_head_dim", None) for module in attn.modules()]  # wider than v's in DeepSeek
            width = next((size for size in own if isinstance(size, int)), width)
        if side == "q":
            return ("batch", "pos", "head", "d_head"), (None, None, self._heads or None, width)
        count = kv_head_count(attn, self._config, self._heads) if attn is not None else None
        return ("batch", "key", "kv_head", "d_head"), (None, None, count or None, width)

    def _mlp(self, index: int, prefix: str) -> Iterator[HookPoint]:
        block, mlp, writer = self._structure.blocks[index], self._structure.mlp(index), self._structure.mlp_out(index)
        mixed = mlp is not None and any(_EXPERTS.search(name) for name, _ in mlp.named_modules())
        nonlinear = None if mixed else activation_module(mlp if mlp is not None else block)
        sizes = linear_sizes(writer) if writer is not None and not mixed else None
        hidden = (("batch", "pos", "d_mlp"), (None, None, sizes[0] if sizes else None))
        experts = f"the MLP of block {index} is a mixture of experts: a token has no one hidden activation"
        yield self._point(f"{prefix}mlp.hook_pre", nonlinear, "input", hidden, index, experts if mixed else None)
        reader = writer if sizes else None
        yield self._point(f"{prefix}mlp.hook_post", reader, "input", hidden, index, experts if mixed else None)
        source = writer if mlp is None or takes_residual(mlp) else mlp
        yield self._point(f"{prefix}hook_mlp_out", source, "output", _stream(self._structure.width), index, None)

    def _point(
        self, name: str, module: nn.Module | None, side: Side, axes: Axes, index: int, reason: str | None
    ) -> HookPoint:
        if module is None:
            why = reason or f"block {index} has no module of its own for it"
            return HookPoint(name, "", side, *axes, index, reason=why)
        return HookPoint(name, self._paths[id(module)], side, *axes, index)

    def _ends(self) -> Iterator[HookPoint]:
        norm = self._structure.final_norm
        path = self._paths[id(norm)] if norm is not None else ""
        reason = None if norm is not None else "this model has no norm before the unembedding"
        yield HookPoint("ln_final.hook_normalized", path, "output", *_stream(self._structure.width), reason=reason)
        unembed: Any = self._structure.unembed
        yield HookPoint("hook_logits", "", "output", ("batch", "pos", "d_vocab"), (None, None, unembed.weight.shape[0]))

    def _modules(self, probe: Probe | None) -> Iterator[HookPoint]:
        blocks = {self._structure.path(index): index for index in range(len(self._structure.blocks))}
        for path, module in self._model.named_modules():
            if not path:
                continue
            index = next((blocks[head] for head in _heads_of(path) if head in blocks), None)
            reason = None
            if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
                reason = "it is a list of modules, which is never called itself"
            elif probe is not None and path in probe.silent:
                reason = "it returns no tensor"
            elif probe is not None and path not in probe.shapes:
                reason = "the model never calls it as a module"
            axes = _seen_axes(probe.shapes.get(path, ())) if probe is not None else _usual_axes(module)
            yield HookPoint(path, path, "output", *axes, index, reason=reason)


def _stream(width: int) -> Axes:
    return ("batch", "pos", "d_model"), (None, None, width)


def _embedding_width(module: nn.Module) -> int | None:
    weight = getattr(module, "weight", None)
    return int(weight.shape[-1]) if weight is not None else None


def _heads_of(path: str) -> Iterator[str]:
    """Yield a path and every path that it begins with."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        yield ".".join(parts[:end])


def _seen_axes(shape: tuple[int, ...]) -> Axes:
    """Return the axes of a module's output from its shape for ROWS rows of TOKENS tokens."""
    names: list[str] = []
    sizes: list[int | None] = []
    if shape[:1] == (ROWS * TOKENS,) and len(shape) == 2:
        shape = (ROWS, TOKENS, *shape[1:])
    for place, size in enumerate(shape):
        known = (place == 0 and size == ROWS, place == 1 and size == TOKENS)
        names.append("batch" if known[0] else "pos" if known[1] else f"axis_{place}")
        sizes.append(None if any(known) else size)
    return tuple(names), tuple(sizes)


def _usual_axes(module: nn.Module) -> Axes:
    """Return the axes that a module's kind tells; empty where it tells none."""
    sizes = linear_sizes(module)
    if sizes is not None:
        return ("batch", "pos", "features"), (None, None, sizes[1])
    if isinstance(module, (nn.Embedding, nn.LayerNorm)) or "norm" in type(module).__name__.lower():
        weight = getattr(module, "weight", None)
        if weight is not None:
            return ("batch", "pos", "features"), (None, None, int(weight.shape[-1]))
    return (), ()
