"""Ready-made detectors that keep what they see: the last batch, the last few, the model's input and output, a log.

Copies are kept, never the model's own tensors. Each holds a bounded amount of memory, however long it is on; statistics
and texts have files of their own.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steer_tui.engine.hooks import Detector, HookType
from steer_tui.engine.moment import Moment
from steer_tui.errors import UsageError

_LOG = logging.getLogger("steer_tui.hooks")


class ReadyDetector(Detector):
    """A detector whose work is one method: `read(activation)`."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        hook_id: str | None = None,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a detector.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            hook_id: Its id; None makes one.
            hook_type: Side of the module, where the signature is a module.
            rows: Rows of a batch that it reads; None for all.
        """
        super().__init__(hook_type, hook_id, layer_signature, rows)

    def process_activations(self, module: nn.Module, input: Any, output: Tensor | None) -> None:
        """Read the activation, whichever side of the module it comes from."""
        activation = output if output is not None else input[0] if input else None
        if isinstance(activation, Tensor):
            self.read(activation)

    def read(self, activation: Tensor) -> None:
        """Take note of an activation; it must be copied to be kept."""
        raise NotImplementedError


class LayerActivationDetector(ReadyDetector):
    """Keeps the newest activation: `get_captured()` gives it as a tensor, None before the first pass."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        hook_id: str | None = None,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
        device: str | torch.device | None = None,
        keep_graph: bool = False,
    ) -> None:
        """Make a detector.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            hook_id: Its id; None makes one.
            hook_type: Side of the module, where the signature is a module.
            rows: Rows of a batch that it reads; None for all.
            device: Where the copy is kept; None leaves it on the model's device.
            keep_graph: True keeps the autograd graph of a run that has one.
        """
        super().__init__(layer_signature, hook_id, hook_type=hook_type, rows=rows)
        self._device = device
        self._keep_graph = keep_graph
        self.seen: Moment | None = None
        """Where the newest activation stood; None before the first pass."""

    def read(self, activation: Tensor) -> None:
        """Keep a copy, and where it stood."""
        kept = activation.clone() if self._keep_graph else activation.detach().clone()
        self.tensor_metadata["activations"] = kept if self._device is None else kept.to(self._device)
        self.seen = self.now(activation)

    def masked(self) -> Tensor | None:
        """Return what of the newest activation is no padding, bool, broadcastable to it; None where all is."""
        return self.seen.mask() if self.seen is not None else None

    def clear_captured(self) -> None:
        """Forget it."""
        super().clear_captured()
        self.seen = None


class LimitedAccumulator(ReadyDetector):
    """Keeps the activations of the last `max_batches` passes on the CPU, the oldest first: `batches`."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        max_batches: int = 10,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a detector that forgets the oldest pass once it holds `max_batches`."""
        super().__init__(layer_signature, hook_type=hook_type, rows=rows)
        if max_batches < 1:
            raise UsageError(f"max_batches {max_batches} is less than 1")
        self.max_batches = max_batches
        self._batches: deque[Tensor] = deque(maxlen=max_batches)

    @property
    def batches(self) -> list[Tensor]:
        """The kept activations."""
        return list(self._batches)

    def read(self, activation: Tensor) -> None:
        """Keep a copy on the CPU."""
        self._batches.append(activation.detach().to("cpu", copy=True))

    def get_captured(self) -> list[Tensor]:
        """Return the kept activations, the oldest first."""
        return self.batches

    def clear_captured(self) -> None:
        """Forget them."""
        super().clear_captured()
        self._batches.clear()


class MemoryEfficientDetector(ReadyDetector):
    """Keeps the newest activation on the CPU and forgets everything once more than `max_batches` passes went by."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        max_batches: int = 100,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a detector whose `batch_count` starts again after `max_batches` passes."""
        super().__init__(layer_signature, hook_type=hook_type, rows=rows)
        self.max_batches = max_batches
        self.batch_count = 0

    def read(self, activation: Tensor) -> None:
        """Keep a copy on the CPU."""
        self.batch_count += 1
        if self.batch_count > self.max_batches:
            self.tensor_metadata.clear()
            self.batch_count = 0
        self.tensor_metadata["activations"] = activation.detach().to("cpu", copy=True)


class ModelInputDetector(ReadyDetector):
    """Keeps token ids and mask of the newest pass: `get_captured()` is the ids, int64 (B, T)."""

    def __init__(self, layer_signature: str | int | None = "hook_tokens", hook_id: str | None = None) -> None:
        super().__init__(layer_signature, hook_id)

    def read(self, activation: Tensor) -> None:
        """Keep the ids, whatever the activation at hand is."""
        moment = self.now(activation)
        ids = moment.ids if moment.ids is not None else activation
        valid = moment.now.valid(moment.now.length) if moment.now is not None else None
        self.tensor_metadata["activations"] = self.tensor_metadata["input_ids"] = ids.detach().clone()
        self.tensor_metadata["attention_mask"] = torch.ones_like(ids) if valid is None else valid.long()


class ModelOutputDetector(LayerActivationDetector):
    """Keeps the logits of the newest pass: `get_captured()` is (B, T, V)."""

    def __init__(
        self,
        layer_signature: str | int | None = "hook_logits",
        hook_id: str | None = None,
        *,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(layer_signature, hook_id, device=device)


class LoggingDetector(ReadyDetector):
    """Writes shape, mean and std of every activation to a log; padding is left out. Waits for the device each time."""

    def __init__(
        self,
        layer_signature: str | int | None = None,
        logger: logging.Logger | None = None,
        level: int = logging.DEBUG,
        *,
        hook_type: HookType | str = HookType.FORWARD,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a detector.

        Args:
            layer_signature: Where it belongs; the registry's argument wins.
            logger: Where it writes; None is the logger `steer_tui.hooks`.
            level: Of the records.
            hook_type: Side of the module, where the signature is a module.
            rows: Rows of a batch that it reads; None for all.
        """
        super().__init__(layer_signature, hook_type=hook_type, rows=rows)
        self._logger = logger or _LOG
        self._level = level

    def read(self, activation: Tensor) -> None:
        """Write one record."""
        if not self._logger.isEnabledFor(self._level):
            return
        moment = self.now(activation)
        mask = moment.mask()
        values = activation.detach().float()
        values = values if mask is None else values[mask.expand_as(values)]
        name = moment.point.name if moment.point is not None else self.layer_signature
        self._logger.log(
            self._level,
            "%s at %s: shape=%s, mean=%.6g, std=%.6g",
            self.id,
            name,
            tuple(activation.shape),
            float(values.mean()) if values.numel() else float("nan"),
            float(values.std(correction=0)) if values.numel() else float("nan"),
        )
