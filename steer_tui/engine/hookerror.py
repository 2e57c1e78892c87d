"""One clear error for whatever goes wrong inside a hook: which hook, at which point, on which line of whose file."""

from __future__ import annotations

import functools
import sysconfig
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steer_tui.errors import SteerError
from steer_tui.text import one_line

_PACKAGE = str(Path(__file__).resolve().parents[1])
_LONGEST = 300
_PYTHON = str(Path(sysconfig.get_path("stdlib"), "_")).removesuffix("_")
"""Folder of Python's own modules, with what parts it from names below: their lines are not the user's."""


class HookError(SteerError):
    """A hook raised, or returned what the model cannot go on with; every hook of the run has been removed."""

    def __init__(
        self, message: str, *, hook: str, point: str, file: str | None = None, line: int | None = None, hint: str | None
    ) -> None:
        super().__init__(message, hint=hint)
        self.hook = hook
        """Name of the hook's class or function."""
        self.point = point
        """Name of the hook point."""
        self.file = file
        """The user's file; None where no line of it took part."""
        self.line = line
        """1-based line of that file."""


class WrongActivation(ValueError):
    """A hook returned something that cannot take the activation's place."""

    hint = "return a tensor of the activation's shape and dtype, or None to leave it as it is"


def checked(new: Any, old: Tensor, masks: bool = True) -> Tensor:
    """Return `new` if it can take the place of `old`; `masks` says that minus infinity may be brought, as into scores.

    Raises:
        WrongActivation: It is no tensor, has another shape, dtype or device, or brings NaN or infinity where there was
            none.
    """
    if not isinstance(new, Tensor):
        raise WrongActivation(f"it returned {type(new).__name__}, not a tensor")
    if new.shape != old.shape:
        raise WrongActivation(f"it returned shape {tuple(new.shape)}, the activation has {tuple(old.shape)}")
    if new.dtype != old.dtype:
        raise WrongActivation(f"it returned {_short(new.dtype)}, the activation is {_short(old.dtype)}")
    if new.device != old.device:
        raise WrongActivation(f"it returned a tensor on {new.device}, the activation is on {old.device}")
    if new.is_floating_point() and not bool(torch.isfinite(new.detach()).all()):
        _refuse_new(new.detach(), old.detach(), masks)
    return new


def check_ids(ids: Tensor, words: int) -> None:
    """Refuse token ids that the model does not know.

    Raises:
        WrongActivation: naming one of them.
    """
    wrong = ids[(ids < 0) | (ids >= words)]
    if wrong.numel():
        raise WrongActivation(f"it returned token id {int(wrong[0])}, the model knows ids 0 to {words - 1}")


def _refuse_new(new: Tensor, old: Tensor, masks: bool) -> None:
    """Refuse NaN and infinity that the activation did not have."""
    for name, found in (("NaN", torch.isnan), ("infinity", torch.isposinf), ("minus infinity", torch.isneginf)):
        if masks and found is torch.isneginf:
            continue
        if bool(found(new).any()) and not bool(found(old).any()):
            raise WrongActivation(f"it returned {name}")


def is_ctrl_c(error: BaseException) -> bool:
    """Say whether a person wants out: Ctrl-C reaches the main thread alone, anything else comes from a hook's code."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def hook_error(error: BaseException, hook: str, point: str, function: Callable[..., Any]) -> HookError:
    """Return the one error for what a hook raised.

    Args:
        error: What was raised.
        hook: Name of the hook.
        point: Name of the point it was at.
        function: The user's function or method; its line is named where the error itself has none in the user's file.
    """
    if isinstance(error, HookError):
        return error
    file, line = _user_line(error) or _line_of(function)
    where = f" (line {line} of {file})" if file else ""
    text = one_line(_said(error))[:_LONGEST]
    if not isinstance(error, (WrongActivation, SteerError)):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    hint = getattr(error, "hint", None) or "all hooks of this run were removed; mend the hook and put it on again"
    return HookError(
        f"hook {hook} at {point} failed: {text}{where}", hook=hook, point=point, file=file, line=line, hint=hint
    )


def _said(error: BaseException) -> str:
    """Return an error's text, which a user's own class may fail to give."""
    try:
        return str(error)
    except Exception:
        return ""


def _user_line(error: BaseException) -> tuple[str, int] | None:
    """Return the innermost line that is neither ours nor a library's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.lineno is not None and not _is_foreign(frame.filename):
            return frame.filename, frame.lineno
    return None


def _line_of(function: Callable[..., Any]) -> tuple[str | None, int | None]:
    """Return where a function is defined; (None, None) for ours and for built-in ones."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None) or getattr(getattr(function, "__call__", None), "__code__", None)  # noqa: B004
    if code is None or _is_foreign(code.co_filename):
        return None, None
    return code.co_filename, code.co_firstlineno


def _is_foreign(filename: str) -> bool:
    ours = (_PACKAGE, _PYTHON, "<frozen")
    return filename.startswith(ours) or "site-packages" in filename or "dist-packages" in filename


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
