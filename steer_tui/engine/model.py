"""A loaded model: the transformers model, its tokenizer and what the rest needs to know of them.

Promises nothing about where it came from (`loading` does that) and installs no hooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from steer_tui.engine.fingerprint import Stored, fingerprint
from steer_tui.engine.hooked import Hooked
from steer_tui.engine.prompt import encode, has_chat_template
from steer_tui.engine.structure import Structure, find_structure
from steer_tui.engine.types import ModelInfo
from steer_tui.errors import ModelError

if TYPE_CHECKING:
    from steer_tui.engine.sweepgrid import SweepResult
    from steer_tui.engine.sweeprequest import SweepRequest
    from steer_tui.engine.vector import SteeringVector


class LanguageModel(Hooked):
    """A causal language model ready to be read and steered; in eval mode, its weights without gradients."""

    def __init__(
        self, model: Any, tokenizer: Any, *, ref: str | None = None, id: str | None = None, stored: Stored | None = None
    ) -> None:
        """Wrap a transformers model and tokenizer that are in memory.

        Args:
            model: A transformers causal LM.
            tokenizer: Its tokenizer.
            ref: What the user asked for; None takes the model's own name.
            id: The model's own name; None reads it from its config.
            stored: See `fingerprint`.

        Raises:
            ModelError: The model is no causal LM, or its blocks are not found.
        """
        self.model = model.eval().requires_grad_(False)
        """The transformers model."""
        self.tokenizer = tokenizer
        """The transformers tokenizer."""
        self.structure: Structure = find_structure(model)
        self.device: torch.device = _input_device(model, self.structure)
        """Where token ids go; with a device map, blocks may lie elsewhere."""
        self.dtype: torch.dtype = _residual_dtype(self.structure)
        self.eos_ids: frozenset[int] = eos_ids(model, tokenizer)
        """Any of these ends a text."""
        self.pad_id: int = _pad_id(tokenizer, _rows(self.structure))
        """Fills batches; always masked, so that any valid id does."""
        self.timings: Path | None = None
        """File that keeps what was chosen by timing; None times anew in every process."""
        self.info: ModelInfo = self._describe(ref, id, stored)

    @classmethod
    def load(cls, ref: str = "demo", **options: Any) -> LanguageModel:
        """Load `demo`, a local folder, a `.gguf` file or a hub id; options as `loading.load_model` takes them."""
        from steer_tui.engine.loading import load_model
        from steer_tui.paths import find_paths

        options.setdefault("timings", find_paths().timings)
        return load_model(ref, **options)

    def encode(self, prompt: str, raw: bool = False) -> list[int]:
        """Return the token ids of a prompt, the chat template applied once unless `raw`; never empty.

        Raises:
            UsageError: The prompt is longer than the model's context.
            ModelError: The tokenizer gives a token that the model does not know.
        """
        ids = encode(self.tokenizer, prompt, raw, context=self.info.context)
        rows = _rows(self.structure)
        if max(ids) >= rows:
            raise ModelError(
                f"the tokenizer gives token {max(ids)}, the model knows {rows}",
                hint="it was made for another model; put the right tokenizer beside the weights",
            )
        return ids

    def sweep(self, request: SweepRequest, vectors: Mapping[str, SteeringVector], **options: Any) -> SweepResult:
        """Run every cell of a sweep: `steer_tui.sweep` with this model; arguments, options and errors are its own."""
        from steer_tui.engine.sweep import sweep

        return sweep(self, request, vectors, **options)

    def _describe(self, ref: str | None, id: str | None, stored: Stored | None) -> ModelInfo:
        config = self.model.config.get_text_config()
        name = id or PurePath(str(getattr(self.model.config, "name_or_path", ""))).name or config.model_type
        return ModelInfo(
            ref=ref or name,
            id=name,
            type=str(config.model_type),
            layers=len(self.structure.blocks),
            width=self.structure.width,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            device=str(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            fingerprint=fingerprint(self.model, self.structure, stored),
            context=_context(config),
            has_chat_template=has_chat_template(self.tokenizer),
        )


def eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return every id that ends a text, from generation config, config and tokenizer; empty where none is named."""
    sources = (getattr(model, "generation_config", None), model.config.get_text_config(), model.config, tokenizer)
    found: set[int] = set()
    for source in sources:
        value = getattr(source, "eos_token_id", None)
        found.update(value if isinstance(value, (list, tuple)) else () if value is None else (value,))
    return frozenset(int(value) for value in found)


def _pad_id(tokenizer: Any, rows: int) -> int:
    """Return the padding id, else the EOS, else 0; a pad token that was added without a row in the model is no use."""
    for name in ("pad_token_id", "eos_token_id"):
        candidate = getattr(tokenizer, name, None)
        if isinstance(candidate, int) and 0 <= candidate < rows:
            return candidate
    return 0


def _rows(structure: Structure) -> int:
    """Return how many token ids the embedding knows."""
    return int(_first_parameter(structure.embed).shape[0])


def _input_device(model: Any, structure: Structure) -> torch.device:
    """Return where token ids go, also where accelerate keeps the embedding elsewhere between calls."""
    device = _first_parameter(structure.embed).device
    if device.type != "meta":
        return device
    hook = getattr(structure.embed, "_hf_hook", None)
    return torch.device(getattr(hook, "execution_device", None) or model.device)


def _context(config: Any) -> int:
    """Return the longest sequence in tokens; 0 where the config names none."""
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return 0


def _first_parameter(module: nn.Module) -> nn.Parameter:
    return next(module.parameters())


def _residual_dtype(structure: Structure) -> torch.dtype:
    """Return the dtype of the residual stream, read from the first block's first float parameter."""
    for parameter in structure.blocks[0].parameters():
        if parameter.is_floating_point():
            return parameter.dtype
    return _first_parameter(structure.embed).dtype
