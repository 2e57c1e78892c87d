"""A top-k sparse autoencoder at a point: reads a concept's strength, and changes it without touching the rest.

Promises that an unmanipulated autoencoder leaves the model bit for bit: what it cannot reconstruct is added back, so
that only the difference that a manipulation makes reaches the model. Trains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steer_tui.engine.controllers import finite
from steer_tui.engine.hooks import Controller, Detector, HookType
from steer_tui.engine.moment import Moment
from steer_tui.engine.toptexts import TopKTextsDetector, TopText
from steer_tui.errors import ShapeMismatch, UsageError


class Concepts:
    """The latents of an autoencoder: which are manipulated, and which texts move them."""

    def __init__(self, sae: TopKSae) -> None:
        self._sae = sae
        self.scales: dict[int, float] = {}
        """Latent -> factor; latents that are not manipulated are missing."""
        self._texts: TopKTextsDetector | None = None

    def manipulate_concept(self, neuron_idx: int, scale: float) -> None:
        """Multiply a latent by a factor from the next pass on; 1 lets it be.

        Raises:
            UsageError: There is no such latent, or the factor is not finite.
        """
        if not 0 <= neuron_idx < self._sae.n_latents:
            raise UsageError(f"there is no latent {neuron_idx}", hint=f"there are {self._sae.n_latents}")
        self.scales[neuron_idx] = finite("scale", scale)
        if scale == 1.0:
            del self.scales[neuron_idx]

    def reset(self) -> None:
        """Manipulate nothing."""
        self.scales.clear()

    def enable_text_tracking(self, top_k: int = 10) -> None:
        """Keep the texts that move each latent most, from the next pass on; needs the autoencoder to be attached."""
        if self._sae.tokenizer is None:
            raise UsageError("the autoencoder is on no model", hint="lm.attach_sae(sae, layer_signature) first")
        self._texts = TopKTextsDetector(None, top_k, tokenizer=self._sae.tokenizer)

    def disable_text_tracking(self) -> None:
        """Keep no texts any more, and forget those kept."""
        self._texts = None

    def get_top_texts(self, neuron_idx: int) -> list[TopText]:
        """Return a latent's texts, the greatest first; empty where none are kept."""
        return self._texts.top_texts(neuron_idx) if self._texts is not None else []

    def note(self, latents: Tensor, moment: Moment | None) -> None:
        """Take note of a pass's latents, (B, T, latents)."""
        if self._texts is not None:
            self._texts.moment = moment
            self._texts.read(latents)
            self._texts.moment = None


class TopKSae(Detector, Controller):
    """Encodes an activation to its `k` greatest latents; a detector of them and a controller through `concepts`."""

    def __init__(
        self,
        n_latents: int,
        n_inputs: int,
        k: int,
        *,
        weights: Mapping[str, Tensor] | None = None,
        seed: int = 0,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make an autoencoder.

        Args:
            n_latents: Size of the code.
            n_inputs: Width of the activation.
            k: Latents that are not zero at a token.
            weights: `W_enc` (inputs, latents), `W_dec` (latents, inputs), `b_enc` (latents), `b_dec` (inputs); None
                draws a random decoder of unit rows, with the encoder its transpose.
            seed: Of the draw.
            rows: Rows of a batch that it acts on; None for all.

        Raises:
            UsageError: k is not between 1 and n_latents.
            ShapeMismatch: The weights have other shapes.
        """
        super().__init__(HookType.FORWARD, None, None, rows)
        if not 1 <= k <= n_latents:
            raise UsageError(f"k {k} is not between 1 and {n_latents}")
        self.n_latents, self.n_inputs, self.k = n_latents, n_inputs, k
        found = dict(weights) if weights is not None else _drawn(n_latents, n_inputs, seed)
        shapes = dict(W_enc=(n_inputs, n_latents), W_dec=(n_latents, n_inputs), b_enc=(n_latents,), b_dec=(n_inputs,))
        for name, shape in shapes.items():
            if name not in found or tuple(found[name].shape) != shape:
                raise ShapeMismatch(f"{name} of the autoencoder should have shape {shape}")
        self._weights = {name: found[name].float() for name in shapes}
        self.concepts = Concepts(self)
        self.tokenizer: Any = None
        """Of the model that it is attached to; None where it is on none."""

    def encode(self, activation: Tensor) -> Tensor:
        """Return the latents, (..., n_latents), all but the k greatest zero and none negative."""
        self._come_to(activation.device)
        inner = (activation.float() - self._weights["b_dec"]) @ self._weights["W_enc"] + self._weights["b_enc"]
        values, places = inner.topk(self.k, dim=-1)
        return torch.zeros_like(inner).scatter(-1, places, values.relu())

    def decode(self, latents: Tensor) -> Tensor:
        """Return the activation that latents stand for, (..., n_inputs)."""
        self._come_to(latents.device)
        return latents @ self._weights["W_dec"] + self._weights["b_dec"]

    def process_activations(self, module: nn.Module, input: Any, output: Tensor | None) -> None:
        """Keep the newest latents: `get_captured()`, (B, T, n_latents)."""
        if output is None:
            return
        self._check(output)
        latents = self.encode(output.detach())
        self.tensor_metadata["activations"] = latents
        self.concepts.note(latents, self.moment)

    def modify_activations(self, module: nn.Module, inputs: Any, output: Tensor | None) -> Tensor | None:
        """Return the activation plus the difference that the manipulated latents make."""
        scales = self.concepts.scales
        if output is None or not scales:
            return output
        latents = self.encode(output)
        factor = torch.ones(self.n_latents, device=output.device)
        factor[list(scales)] = torch.tensor(list(scales.values()), device=output.device)
        changed = output + ((latents * factor - latents) @ self._weights["W_dec"]).to(output.dtype)
        mask = self.now(output).mask()
        return changed if mask is None else torch.where(mask, changed, output)

    def _check(self, activation: Tensor) -> None:
        if activation.shape[-1] != self.n_inputs:
            raise ShapeMismatch(f"the autoencoder has width {self.n_inputs}, the activation {activation.shape[-1]}")

    def _come_to(self, device: torch.device) -> None:
        if self._weights["W_enc"].device != device:
            self._weights = {name: tensor.to(device) for name, tensor in self._weights.items()}


def _drawn(n_latents: int, n_inputs: int, seed: int) -> dict[str, Tensor]:
    decoder = torch.randn(n_latents, n_inputs, generator=torch.Generator().manual_seed(seed))
    decoder = decoder / decoder.norm(dim=-1, keepdim=True)
    return {
        "W_enc": decoder.T.clone(),
        "W_dec": decoder,
        "b_enc": torch.zeros(n_latents),
        "b_dec": torch.zeros(n_inputs),
    }
