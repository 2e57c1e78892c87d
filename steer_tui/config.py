"""The user's settings, in TOML.

Promises that a broken file is reported and that nothing is ever written to it. Knows nothing of what the settings do.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from steer_tui.paths import Paths
from steer_tui.text import one_line

MAX_FILE = 1 << 20
DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Config:
    """Settings with their defaults."""

    model: str | None = None
    """What to load at the start; None is the model used last, else `demo`."""
    device: str = "auto"
    dtype: str = "auto"
    offline: bool = False
    theme: str | None = None
    """None is the product's own default."""
    mouse: bool = True
    ascii: bool = False
    temperature: float = 0.7
    """0 is greedy."""
    top_p: float = 1.0
    """1 switches it off."""
    top_k: int = 0
    """0 switches it off."""
    max_tokens: int = 64
    problem: str | None = None
    """What is wrong with the file; the settings it spoils have their defaults. None where nothing is."""


def load_config(paths: Paths) -> Config:
    """Return the user's settings; never raises: what is wrong is in `problem`."""
    path = paths.config_file
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        return Config(problem=f"{_shown(paths)} cannot be read: {error.strerror}")
    if len(data) > MAX_FILE:
        return Config(problem=f"{_shown(paths)} is larger than {MAX_FILE >> 20} MiB")
    try:
        entries = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        return Config(problem=f"{_shown(paths)} is not valid TOML: {one_line(str(error))[:120]}")
    good = {key: value for key, check in _CHECKS.items() if (value := entries.get(key)) is not None and check(value)}
    bad = [key for key in _CHECKS if key in entries and key not in good]
    problem = f"{_shown(paths)} has a value that cannot be used: {', '.join(bad)}" if bad else None
    return Config(**good, problem=problem)


def _shown(paths: Paths) -> str:
    return one_line(str(paths.config_file))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_device(value: object) -> bool:
    return isinstance(value, str) and DEVICES.fullmatch(value) is not None


def _is_dtype(value: object) -> bool:
    return value in DTYPES


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _number(low: float, high: float) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value) and low <= value <= high

    return check


def _whole(low: int, high: int) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return check


_CHECKS: dict[str, Callable[[object], bool]] = {
    "model": _is_text,
    "device": _is_device,
    "dtype": _is_dtype,
    "offline": _is_flag,
    "theme": _is_text,
    "mouse": _is_flag,
    "ascii": _is_flag,
    "temperature": _number(0, 100),
    "top_p": _number(0, 1),
    "top_k": _whole(0, 10**6),
    "max_tokens": _whole(1, 10**6),
}
