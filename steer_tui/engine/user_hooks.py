"""Hooks of the user's own from a Python file: loaded when the file is named, and again when it has been saved.

The file is run, with all that a Python file may do; it is run only when the user names it. An error names its line and
leaves what was loaded before in force.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import linecache
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from steer_tui.engine.digest import file_digest
from steer_tui.engine.hookerror import is_ctrl_c
from steer_tui.engine.hooks import Controller, Detector, Hook, as_hook, function_name
from steer_tui.errors import UsageError
from steer_tui.files import expanded
from steer_tui.text import one_line

_HOOKS = "HOOKS"


@dataclass(frozen=True)
class OwnHook:
    """A hook that a file defines."""

    name: str
    kind: str
    """"controller", "detector", "both" or "function"."""
    summary: str
    """First line of its docstring; empty where it has none."""
    line: int
    """Where it is defined, 1-based; 0 where that cannot be told."""
    point: Any
    """Where the file wants it: a signature, a list of them or a predicate; None where it says nothing."""
    make: Callable[[], Hook]
    """Returns a hook ready to be registered; the very same object for an instance."""


class HookFile(Mapping[str, OwnHook]):
    """The hooks of one file by name."""

    def __init__(self, path: Path) -> None:
        """Load a file.

        Raises:
            UsageError: It cannot be read, or fails; the line is in the message.
        """
        self.path, self._stamp = path, _stamp(path)
        self.sha256 = file_digest(path)
        """Of the file as it was loaded."""
        self._hooks, self._placed = _load(path)

    def __getitem__(self, name: str) -> OwnHook:
        return self._hooks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hooks)

    def __len__(self) -> int:
        return len(self._hooks)

    @property
    def placed(self) -> list[tuple[Any, Hook]]:
        """(point, hook) of all that the file itself puts somewhere: `HOOKS`, and hooks with a `layer_signature`."""
        return [(own.point, own.make()) for own in self._placed]

    @property
    def placed_hooks(self) -> tuple[OwnHook, ...]:
        """What `placed` gives, not made yet."""
        return tuple(self._placed)

    def has_changed(self) -> bool:
        """Say whether the file has been saved, or is gone, since it was loaded."""
        try:
            return _stamp(self.path) != self._stamp
        except UsageError:
            return True

    def reload(self) -> bool:
        """Load the file again if it has been saved since; return whether it was.

        Raises:
            UsageError: The new version cannot be read, or fails; the old hooks stay. Said once per saved version.
        """
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return False
        self._stamp, digest = stamp, file_digest(self.path)
        self._hooks, self._placed = _load(self.path)
        self.sha256 = digest
        return True


def load_hooks(path: str | Path) -> HookFile:
    """Run a Python file and return the hooks that it defines.

    Found are: subclasses of Controller and Detector that can be made without arguments (or with a layer signature
    alone), instances of such classes, functions with a parameter `hook`, and the pairs of a list `HOOKS` of
    (point, function or hook), which are called as the file calls them, numbered where a name is taken. Names that
    begin with an underscore are left out.

    Raises:
        UsageError: The file cannot be read, or fails; the line is in the message.
    """
    return HookFile(expanded(path))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="name a Python file that defines hooks"
        ) from error
    return status.st_mtime_ns, status.st_size


def _load(path: Path) -> tuple[dict[str, OwnHook], list[OwnHook]]:
    module = _run(path)
    hooks: dict[str, OwnHook] = {}
    for name, value in vars(module).items():
        own = None if name.startswith("_") or name == _HOOKS else _own_hook(name, value, path)
        if own is not None:
            hooks[name] = own
    names = {id(value): name for name, value in vars(module).items() if name in hooks}
    placed = []
    for index, pair in enumerate(_pairs(module, path)):
        own = _placed(index, pair, path)
        own = replace(own, name=_free(names.pop(id(pair[1]), None), own.name, hooks))
        hooks[own.name] = own
        placed.append(own)
    placed += [own for own in hooks.values() if own.point is not None and own not in placed]
    if not hooks:
        raise UsageError(
            f"{path.name} defines no hook", hint="define a function fn(activation, hook), a Controller or a Detector"
        )
    return hooks, placed


def _free(known: str | None, name: str, taken: Mapping[str, OwnHook]) -> str:
    """Return what to call a hook of HOOKS: as the module calls it, once; else its own name, numbered where taken."""
    if known is not None:
        return known
    return next(free for free in _numbered(name) if free not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in itertools.count(2))


def _run(path: Path) -> ModuleType:
    """Return the module that running the file makes."""
    name = f"steer_tui_own_hooks_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise UsageError(f"{path.name} is no Python file", hint="its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickling look their own module up
    sys.path.insert(0, str(path.parent))  # its neighbours can be imported, as from any script
    try:
        with tokenize.open(path) as file:
            source = file.read()
        linecache.checkcache(str(path))
        exec(compile(source, str(path), "exec"), vars(module))
    except BaseException as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if is_ctrl_c(error):
            raise
        raise _file_error(path, error) from error
    finally:
        with suppress(ValueError):
            sys.path.remove(str(path.parent))
    return module


def _file_error(path: Path, error: BaseException) -> UsageError:
    if isinstance(error, OSError) and error.filename == str(path):
        return UsageError(f"{path} cannot be read: {error.strerror}", hint="name a Python file that defines hooks")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = frames[-1].lineno if frames else None
    text = one_line(str(error))
    if isinstance(error, SyntaxError) and error.filename in (str(path), None):
        line, text = error.lineno, one_line(error.msg or "")
    where = f"{path.name}, line {line}" if line else path.name
    return UsageError(
        f"{where}: {type(error).__name__}: {text}", hint="mend the file and save it; the hooks loaded before stay"
    )


def _own_hook(name: str, value: Any, path: Path) -> OwnHook | None:
    """Return the hook that a name of the module stands for; None where it stands for none."""
    if isinstance(value, Hook):
        _set_up(value, path)
        return OwnHook(name, _kind(type(value)), _summary(value), 0, value.layer_signature, lambda: value)
    if not _is_from(value, path):
        return None
    if inspect.isclass(value) and issubclass(value, Hook):
        make = _maker(value, path)
        return OwnHook(name, _kind(value), _summary(value), _line(value), None, make) if make is not None else None
    if inspect.isfunction(value) and _takes_point(value):
        return OwnHook(name, "function", _summary(value), _line(value), None, lambda: as_hook(value))
    return None


def _pairs(module: ModuleType, path: Path) -> Sequence[Any]:
    pairs = getattr(module, _HOOKS, ())
    if not isinstance(pairs, (list, tuple)):
        raise UsageError(f"{_HOOKS} of {path.name} is no list", hint="write HOOKS = [(point, function)]")
    return pairs


def _placed(index: int, pair: Any, path: Path) -> OwnHook:
    """Return the hook of one pair of HOOKS."""
    wrong = f"{_HOOKS}[{index}] of {path.name} is no pair of a point and a hook"
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise UsageError(wrong, hint="write HOOKS = [(point, function)]")
    point, value = pair
    if inspect.isclass(value) and issubclass(value, Hook):
        make = _maker(value, path)
        if make is None:
            raise UsageError(f"{wrong}: {value.__name__} needs arguments", hint="write an instance of it")
        return OwnHook(value.__name__, _kind(value), _summary(value), _line(value), point, make)
    if not isinstance(value, Hook) and not callable(value):
        raise UsageError(wrong, hint="write HOOKS = [(point, function)]")
    name = type(_set_up(value, path)).__name__ if isinstance(value, Hook) else function_name(value)
    kind = _kind(type(value)) if isinstance(value, Hook) else "function"
    return OwnHook(name, kind, _summary(value), _line(value), point, lambda: as_hook(value))


def _maker(cls: type[Hook], path: Path) -> Callable[[], Hook] | None:
    """Return how to make a hook of a class; None where its constructor needs what a file does not say."""
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return None
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if needed not in ([], ["layer_signature"]):
        return None
    return lambda: _made(cls, path, dict.fromkeys(needed))


def _made(cls: type[Hook], path: Path, arguments: Mapping[str, Any]) -> Hook:
    """Return a new hook of a class.

    Raises:
        UsageError: Its constructor fails or leaves out the one of `Hook`; the line is in the message.
    """
    try:
        hook = cls(**arguments)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        raise _file_error(path, error) from error
    return _set_up(hook, path)


def _set_up(hook: Hook, path: Path) -> Hook:
    """Return a hook, refusing one whose constructor left out that of `Hook`."""
    if "enabled" not in vars(hook):
        kind = type(hook)
        raise UsageError(
            f"{path.name}, line {_line(kind)}: {kind.__name__} is not set up",
            hint="call super().__init__() in its constructor",
        )
    return hook


def _takes_point(function: Callable[..., Any]) -> bool:
    """Say whether a function looks like fn(activation, hook)."""
    parameters = list(inspect.signature(function).parameters.values())
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return "hook" in [p.name for p in parameters] and len(parameters) >= 2 and len(needed) <= 2


def _kind(cls: type[Hook]) -> str:
    both = issubclass(cls, Controller) and issubclass(cls, Detector)
    return "both" if both else "controller" if issubclass(cls, Controller) else "detector"


def _is_from(value: Any, path: Path) -> bool:
    return getattr(value, "__module__", None) == f"steer_tui_own_hooks_{abs(hash(path))}"


def _summary(value: Any) -> str:
    own = value.__doc__ if inspect.isclass(value) or inspect.isfunction(value) else type(value).__doc__
    return one_line((own or "").strip().partition("\n")[0])


def _line(value: Any) -> int:
    try:
        return inspect.getsourcelines(value)[1]
    except (OSError, TypeError):
        return 0
