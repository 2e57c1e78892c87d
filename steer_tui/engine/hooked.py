"""What hooks add to a `LanguageModel`: points, registry, runs with hooks or with a cache, generation, weights by name.

A mixin, so that loading a model knows nothing of hooks; everything is made when it is first used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from steer_tui.engine.inference import Inference, Prompt, batch_of, forward, grad_mode, loss_of
from steer_tui.engine.modelview import ModelConfig, OutputWeights, describe, unembedding
from steer_tui.errors import UsageError

if TYPE_CHECKING:
    from steer_tui.engine.activation_cache import ActivationCache
    from steer_tui.engine.contexts import Trace
    from steer_tui.engine.points import HookPoint, PointTable
    from steer_tui.engine.registry import HookLike, Layers
    from steer_tui.engine.sae import TopKSae
    from steer_tui.engine.structure import Structure
    from steer_tui.engine.weightedit import WeightEdit
    from steer_tui.engine.where import Signature, Wanted

FwdHooks = Iterable[tuple["Wanted", "HookLike"]]
"""(name, list of names or predicate on names; hook or function `fn(activation, hook)`)."""


class Hooked:
    """Reading and changing activations, for a class that has the attributes named here."""

    model: Any
    tokenizer: Any
    structure: Structure
    device: torch.device
    dtype: torch.dtype

    @functools.cached_property
    def layers(self) -> Layers:
        """The registry of hooks; indexing gives the blocks."""
        from steer_tui.engine.registry import Layers

        return Layers(self)

    @functools.cached_property
    def inference(self) -> Inference:
        """Runs texts with the hooks that are registered."""
        return Inference(self)

    @property
    def hook_points(self) -> PointTable:
        """Every point by name, those that this architecture cannot give included, and every module path."""
        return self.layers.points

    @property
    def hook_dict(self) -> dict[str, HookPoint]:
        """The available points with TransformerLens names."""
        return {name: point for name, point in self.hook_points.named.items() if point.available}

    @functools.cached_property
    def edits(self) -> list[WeightEdit]:
        """Edits of the weights that are in force, the newest last."""
        return []

    @functools.cached_property
    def cfg(self) -> ModelConfig:
        """The model's sizes by TransformerLens' names."""
        return describe(self)

    @property
    def W_O(self) -> OutputWeights:  # noqa: N802
        """`W_O[layer, head]`, (d_head, d_model): what a head's z is multiplied with; `W_O[layer]` has all heads."""
        return OutputWeights(self)

    @property
    def W_U(self) -> Tensor:  # noqa: N802
        """(d_model, d_vocab): what the normed residual stream is multiplied with."""
        return unembedding(self)

    @property
    def W_E(self) -> Tensor:  # noqa: N802
        """(d_vocab, d_model): the token embedding."""
        return self.structure.embed.weight  # type: ignore[return-value]

    def __call__(
        self, prompt: Prompt, return_type: str | None = "logits", *, raw: bool = True, keep_graph: bool = False
    ) -> Any:
        """Run a prompt with the hooks that are registered.

        Args:
            prompt: A text, texts, token ids, or ids (B, T).
            return_type: "logits" (B, T, V), "loss" (mean next-token cross-entropy in nats), "both" or None.
            raw: False puts texts through the chat template, where there is one.
            keep_graph: True keeps the autograd graph.

        Raises:
            UsageError: The prompt or the return type is wrong.
            HookError: A hook failed; none is left on the model.
        """
        return self._run(batch_of(self, prompt, raw), return_type, keep_graph)

    def run_with_hooks(
        self,
        prompt: Prompt,
        fwd_hooks: FwdHooks = (),
        return_type: str | None = "logits",
        *,
        raw: bool = True,
        rows: Sequence[int] | None = None,
        keep_graph: bool = False,
        reset_hooks_end: bool = True,
    ) -> Any:
        """Run a prompt with hooks for this run alone, beside those that are registered.

        A function gets the activation and the point; it may edit the activation in place and return it, return another
        tensor, or return None, which leaves the activation as it was.

        Args:
            prompt: As for a call.
            fwd_hooks: Pairs of point (or list, or predicate on names) and hook.
            return_type: As for a call.
            raw: As for a call.
            rows: Rows of the batch that the hooks act on; None for all.
            keep_graph: True keeps the autograd graph.
            reset_hooks_end: False leaves the hooks on after the run.

        Raises:
            UsageError: A point does not exist or cannot be had.
            HookError: A hook failed; none is left on the model.
        """
        batch = batch_of(self, prompt, raw)
        if not reset_hooks_end:
            self.layers.put(fwd_hooks, rows=rows)
            return self._run(batch, return_type, keep_graph)
        with self.layers.hooked(fwd_hooks, rows=rows):
            return self._run(batch, return_type, keep_graph)

    def run_with_cache(
        self,
        prompt: Prompt,
        names_filter: Wanted | None = None,
        return_type: str | None = "logits",
        *,
        device: str | torch.device | None = None,
        raw: bool = True,
        keep_graph: bool = False,
        limit_bytes: int | None = None,
    ) -> tuple[Any, ActivationCache]:
        """Run a prompt and keep its activations.

        Args:
            prompt: As for a call.
            names_filter: A point, a list of points, or a predicate on names; None for every named point.
            return_type: As for a call.
            device: Where activations are kept; None leaves them where they are.
            raw: As for a call.
            keep_graph: True keeps the autograd graph.
            limit_bytes: Most memory for the cache; None for most of what is free.

        Raises:
            OutOfMemory: The activations would not fit; nothing has run.
            UsageError: A point does not exist or cannot be had, or the device is not there.
        """
        from steer_tui.engine.activation_cache import ActivationCache, CacheWriter, check_room, predicted_bytes
        from steer_tui.engine.placement import choose_device

        ids, mask = batch_of(self, prompt, raw)
        points = self.layers.matching(names_filter if names_filter is not None else lambda name: True)
        where = self.device if device is None else choose_device(str(device))
        needed = predicted_bytes(points, ids.shape[0], ids.shape[1], self.dtype.itemsize)
        check_room(needed, where, limit_bytes)
        cache = ActivationCache(len(self.layers), self.layers.find, mask)
        writer = CacheWriter(cache, device=device, keep_graph=keep_graph)
        names = [point.name for point in points]
        with self.layers.hooked([(names, writer)]):
            result = self._run((ids, mask), return_type, keep_graph)
        cache.arrange(names)
        return result, cache

    def hooks(self, fwd_hooks: FwdHooks, *, rows: Sequence[int] | None = None) -> AbstractContextManager[list[str]]:
        """Have hooks on while a `with` lasts; gives their ids."""
        return self.layers.hooked(fwd_hooks, rows=rows)

    def add_hook(self, name: Signature, hook: HookLike, *, rows: Sequence[int] | None = None) -> str:
        """Put a hook on a point until `reset_hooks`, and return its id."""
        return self.layers.register_hook(name, hook, rows=rows)

    def reset_hooks(self) -> None:
        """Take off every hook."""
        self.layers.reset()

    def attach_sae(self, sae: TopKSae, layer_signature: Signature) -> str:
        """Put an autoencoder on a point, to read its latents and change them through `sae.concepts`; return its id."""
        sae.tokenizer = self.tokenizer
        return self.layers.register_hook(layer_signature, sae)

    def trace(self, signature: Signature, edit_output: Callable[[Tensor], Tensor] | None = None) -> Trace:
        """Keep, and change, one point's activation while a `with` lasts: `with lm.trace(3) as seen: ...`."""
        from steer_tui.engine.contexts import Trace

        return Trace(self.layers, signature, edit_output)

    def generate(
        self,
        prompt: str,
        max_new_tokens: int = 50,
        *,
        recipe: str = "",
        vectors: Mapping[str, Any] | None = None,
        hooks: FwdHooks = (),
        temperature: float = 0.0,
        seed: int = 0,
        raw: bool = True,
        return_prompt: bool = True,
    ) -> str:
        """Return the prompt and its continuation, hooks and recipe acting on prompt and generated tokens alike.

        Args:
            prompt: A text.
            max_new_tokens: Tokens to generate at most.
            recipe: A line as in the contract; needs `vectors`.
            vectors: Name -> SteeringVector for the recipe's names.
            hooks: Pairs of point and hook for this run, beside those that are registered.
            temperature: 0 always takes the likeliest token.
            seed: Of the draws.
            raw: False puts the prompt through the chat template, where there is one.
            return_prompt: False returns the continuation alone.
        """
        from steer_tui.engine.generate import generate
        from steer_tui.engine.types import Request, Sampling

        sampling = Sampling(temperature=temperature, seed=seed, max_tokens=max_new_tokens)
        request = Request(prompt, recipe, sampling, baseline=False, raw=raw, statistics=False)
        result = generate(cast(Any, self), request, vectors or {}, measures=False, hooks=hooks)
        return prompt + result.steered.text if return_prompt else result.steered.text

    def to_tokens(self, prompt: Prompt, raw: bool = True) -> Tensor:
        """Return token ids, int64 (B, T), left-padded."""
        return batch_of(self, prompt, raw)[0]

    def to_string(self, ids: Tensor | Sequence[int]) -> str | list[str]:
        """Return the text of ids (T,), or the texts of ids (B, T); control characters are kept out."""
        from steer_tui.text import clean

        rows = ids.tolist() if isinstance(ids, Tensor) else list(ids)
        decode = self.tokenizer.decode
        return [clean(decode(row)) for row in rows] if rows and isinstance(rows[0], list) else clean(decode(rows))

    def to_str_tokens(self, prompt: Prompt, raw: bool = True) -> list[str]:
        """Return the text of each token of one prompt."""
        from steer_tui.text import clean

        return [clean(self.tokenizer.decode([token])) for token in batch_of(self, prompt, raw)[0][0].tolist()]

    def _run(self, batch: tuple[Tensor, Tensor], return_type: str | None, keep_graph: bool) -> Any:
        if return_type not in ("logits", "loss", "both", None):
            raise UsageError(f"return_type {return_type!r} is unknown", hint="logits, loss, both or None")
        ids, mask = batch
        with grad_mode(keep_graph):
            logits = forward(self, ids, mask).logits
            if return_type in ("logits", None):
                return logits if return_type else None
            loss = loss_of(logits, ids, mask)
            return loss if return_type == "loss" else (logits, loss)
