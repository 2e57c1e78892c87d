"""Hooks that last as long as a `with`: one hook at one point, and one point's activation kept or changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_tui.engine.activation import tensor_of, with_tensor
from steer_tui.engine.hooks import Controller, Detector, Hook, apply_hook
from steer_tui.engine.registry import HookLike, Layers
from steer_tui.engine.where import Signature
from steer_tui.errors import UsageError


class HookContext:
    """Has a hook on while it lasts, whatever is raised inside; gives the hook."""

    def __init__(
        self, layers: Layers, hook: HookLike, layer_signature: Signature, *, rows: Sequence[int] | None = None
    ) -> None:
        """Name the hook and its place; nothing is done before the context begins.

        Args:
            layers: The model's registry, `lm.layers`.
            hook: A hook or a function `fn(activation, hook)`.
            layer_signature: As for `register_hook`.
            rows: Rows of a batch that it acts on; None for the hook's own choice.
        """
        self.layers = layers
        self.hook = hook
        self.layer_signature = layer_signature
        self.rows = rows
        self.hook_id: str | None = None
        """The hook's id while it is on."""

    def __enter__(self) -> HookLike:
        self.hook_id = self.layers.register_hook(self.layer_signature, self.hook, rows=self.rows)
        return self.hook

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.hook_id is not None:
            self.layers.unregister_hook(self.hook_id)
            self.hook_id = None


class Trace:
    """Keeps the newest activation of a point while it lasts, and may change it, as baukit's class of this name does."""

    def __init__(
        self,
        layers: Layers | nn.Module,
        signature: Signature | None = None,
        edit_output: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Name the point.

        Args:
            layers: The model's registry, `lm.layers`; or a module itself, of any model, whose output is then meant.
            signature: As for `register_hook`; not with a module.
            edit_output: Returns what the pass goes on with; None changes nothing.

        Raises:
            UsageError: A registry without a signature, or a module with one.
        """
        if isinstance(layers, nn.Module) != (signature is None):
            raise UsageError("a trace takes a module, or a registry and a point", hint="such as Trace(lm.layers, 3)")
        self._layers = layers
        self._signature = signature
        self._hook: Hook = _Seer(self) if edit_output is None else _Editor(self, edit_output)
        self._handle: RemovableHandle | None = None
        self.output: Tensor | None = None
        """The newest activation, as it was after editing; None before the first pass."""

    def __enter__(self) -> Trace:
        if isinstance(self._layers, nn.Module):
            self._handle = self._layers.register_forward_hook(self._after)
        else:
            assert self._signature is not None
            self._layers.register_hook(self._signature, self._hook)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.remove()
        elif not isinstance(self._layers, nn.Module):
            self._layers.unregister_hook(self._hook)

    def _after(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """Do at a module itself what the registry does at a point."""
        raw = tensor_of(output)
        new = apply_hook(self._hook, module, inputs, raw) if raw is not None else None
        return None if new is None else with_tensor(output, new)


class _Seer(Detector):
    """Keeps what it sees."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def process_activations(self, module: nn.Module, input: Any, output: Tensor | None) -> None:
        self._trace.output = None if output is None else output.clone()


class _Editor(Controller):
    """Keeps what it returns."""

    def __init__(self, trace: Trace, edit: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._trace = trace
        self._edit = edit

    @property
    def user_code(self) -> Callable[..., Any]:
        return self._edit

    def modify_activations(self, module: nn.Module, inputs: Any, output: Tensor | None) -> Tensor | None:
        new = None if output is None else self._edit(output)
        kept = output if new is None else new
        self._trace.output = kept.clone() if isinstance(kept, Tensor) else None
        return new
