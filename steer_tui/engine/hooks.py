"""Hooks: what is done at a point of the model. A detector reads an activation, a controller returns another one.

Subclass `Detector` or `Controller`, or write a plain function `fn(activation, hook)`. What a hook is given may be
edited in place: it is a copy wherever a user's code gets it. Where hooks are put is the registry's business.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from steer_tui.engine.hookmeter import Meter
from steer_tui.engine.moment import Moment
from steer_tui.errors import UsageError

_numbers = itertools.count(1)
ReadPlain = Callable[[Tensor, tuple[int, ...]], None]
"""(activation (B, T, D) to keep, but not to write to; names of its rows)."""
_own_methods: WeakKeyDictionary[type, str | None] = WeakKeyDictionary()
"""Class -> what `_own_method` found: asked at every hook of every pass."""


class HookType(Enum):
    """Which side of a module a hook acts on."""

    FORWARD = "forward"
    """What the module returns."""
    PRE_FORWARD = "pre_forward"
    """What the module takes."""


class Hook:
    """Something that is done at a point; has an id, and can be switched off without being taken away."""

    meter: Meter | None = None
    """Counts what the hook is shown and changes; None, which costs nothing, where nobody asked."""
    label: str | None = None
    """What errors call it instead of its name, where a person picked it by another one."""

    def __init__(
        self,
        hook_type: HookType | str = HookType.FORWARD,
        hook_id: str | None = None,
        layer_signature: str | int | None = None,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Make a hook.

        Args:
            hook_type: Side of the module; only matters where the signature is a module, as other points have one side.
            hook_id: Its id; None makes one.
            layer_signature: Where it belongs; the registry's argument wins.
            rows: Rows of a batch that it acts on; None for all. In generation, row 0 is steered and row 1 the baseline.
        """
        self.hook_type = HookType(hook_type)
        self.id = hook_id or f"{type(self).__name__}-{next(_numbers)}"
        self.layer_signature = layer_signature
        self.rows = tuple(rows) if rows is not None else None
        self.enabled = True
        self.moment: Moment | None = None
        """Rows, tokens and positions of the activation at hand; None while no pass runs."""

    @property
    def name(self) -> str:
        """What errors and lists call it."""
        return type(self).__name__

    @property
    def user_code(self) -> Callable[..., Any] | None:
        """The user's function that it runs; None where all of its code is ours."""
        return None

    def enable(self) -> None:
        """Act from the next pass on."""
        self.enabled = True

    def disable(self) -> None:
        """Leave the model alone until enabled again."""
        self.enabled = False

    def now(self, activation: Tensor) -> Moment:
        """Return where an activation stands; outside a run, rows and positions are counted from 0."""
        return self.moment if self.moment is not None else Moment(None, activation, None)


class Detector(Hook):
    """Reads activations; whatever it does, the pass goes on as it was."""

    read_plain: ReadPlain | None = None
    """Does what `process_activations` does with an activation (B, T, D) without padding, given the names of its rows.

    None where there is no such short way. While every hook of the model has one, on what modules return, they are
    called at the end of a pass over a few tokens.
    """

    @functools.cached_property
    def tensor_metadata(self) -> dict[str, Any]:
        """What was captured, by name; `activations` is the newest."""
        return {}

    def process_activations(self, module: nn.Module, input: Any, output: Tensor | None) -> None:
        """Take note of an activation.

        Args:
            module: The module at the point.
            input: What the module was called with, a tuple; for a pre-forward hook, the activation alone in a tuple.
            output: The activation; None for a pre-forward hook.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no process_activations")

    def get_captured(self) -> Any:
        """Return what was captured last; None where nothing was."""
        return self.tensor_metadata.get("activations")

    def clear_captured(self) -> None:
        """Forget everything captured."""
        self.tensor_metadata.clear()


class Controller(Hook):
    """Changes activations."""

    def modify_activations(self, module: nn.Module, inputs: Any, output: Tensor | None) -> Tensor | None:
        """Return what the pass goes on with; None, or the activation itself, leaves it as it is.

        Args:
            module: The module at the point.
            inputs: What the module was called with, a tuple; for a pre-forward hook, the activation.
            output: The activation; None for a pre-forward hook.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no modify_activations")


class FunctionHook(Controller):
    """A function `fn(activation, hook)` or `fn(activation)` as TransformerLens takes them; `hook` is the point."""

    def __init__(
        self, function: Callable[..., Any], *, hook_id: str | None = None, rows: Sequence[int] | None = None
    ) -> None:
        if not callable(function):
            raise UsageError(
                f"{type(function).__name__} is no hook", hint="give a Hook or a function fn(activation, hook)"
            )
        super().__init__(HookType.FORWARD, hook_id or f"{function_name(function)}-{next(_numbers)}", None, rows)
        self.function = function
        self._pass_point = _way_to_call(function)

    @property
    def name(self) -> str:
        """The function's name."""
        return function_name(self.function)

    @property
    def user_code(self) -> Callable[..., Any]:
        """The function."""
        return self.function

    def modify_activations(self, module: nn.Module, inputs: Any, output: Tensor | None) -> Tensor | None:
        """Return what the function returns."""
        point = self.moment.point if self.moment is not None else None
        return self._pass_point(output, point)


def as_hook(hook: Hook | Callable[..., Any], rows: Sequence[int] | None = None) -> Hook:
    """Return a hook as it is and a function as a hook."""
    return hook if isinstance(hook, Hook) else FunctionHook(hook, rows=rows)


def as_pair(entry: Any) -> tuple[Any, Hook]:
    """Return an entry of a list of hooks: where, and the hook.

    Raises:
        UsageError: It is no pair, or its second part no hook.
    """
    if isinstance(entry, (tuple, list)) and len(entry) == 2:
        return entry[0], as_hook(entry[1])
    raise UsageError(
        f"hooks are given as pairs of a point and a hook, not {type(entry).__name__}",
        hint='such as [("blocks.0.hook_resid_post", my_hook)]',
    )


def function_name(function: Callable[..., Any]) -> str:
    """Return what to call a function, partial objects and lambdas included."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__).replace("<lambda>", "lambda")


def apply_hook(hook: Hook, module: nn.Module, inputs: Any, activation: Tensor) -> Tensor | None:
    """Let a hook read and change an activation; None leaves it as it is."""
    before = hook.hook_type is HookType.PRE_FORWARD
    if isinstance(hook, Detector):
        hook.process_activations(module, (activation,) if before else inputs, None if before else activation)
    if isinstance(hook, Controller):
        return hook.modify_activations(module, activation if before else inputs, None if before else activation)
    return None


def user_code_of(hook: Hook) -> Callable[..., Any] | None:
    """Return the user's function that a hook runs, its own methods included; None where all of its code is ours."""
    kind = type(hook)
    code = None if kind.user_code is Hook.user_code else hook.user_code
    if code is not None:
        return user_code_of(code) if isinstance(code, Hook) else code
    own = _own_method(kind)
    return getattr(hook, own) if own is not None else None


def _own_method(kind: type[Hook]) -> str | None:
    """Return the name of the method that a user's class brings; None where the class is ours."""
    if kind not in _own_methods:
        names = ("modify_activations", "process_activations", "edit", "read")
        methods = {name: getattr(kind, name, None) for name in names}
        _own_methods[kind] = next(
            (name for name, method in methods.items() if method and not method.__module__.startswith("steer_tui.")),
            None,
        )
    return _own_methods[kind]


def _way_to_call(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Return how to hand a function the point beside the activation: by the name `hook`, in second place, or not."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return lambda activation, point: function(activation)
    if any((p.name == "hook" and p.kind is not p.POSITIONAL_ONLY) or p.kind is p.VAR_KEYWORD for p in parameters):
        return lambda activation, point: function(activation, hook=point)
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(places) > 1 and places[1].default is inspect.Parameter.empty:
        return lambda activation, point: function(activation, point)
    return lambda activation, point: function(activation)
