"""The ready-made hooks as a person picks them: names, what they do, their parameters. Plain values, no torch import."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from steer_tui.errors import UsageError
from steer_tui.text import one_line

Form = Literal["number", "count", "indices", "choice", "vector", "text", "bound"]
"""How a value is written: a number, a whole number from 1, `0,3,5-7`, one of `choices`, a vector's name, any text, a
number or nothing."""


MOST = 1_000_000
MOST_INDEX = 2**31 - 1
"""Greatest whole number that a hook may be given."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of a hook that a person may set."""

    name: str
    form: Form
    default: Any
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One ready-made hook."""

    name: str
    summary: str
    changes: bool
    """Whether it is a controller; a detector changes nothing."""
    parameters: tuple[Parameter, ...] = ()
    needs: Literal["any", "heads"] = "any"
    """What a point must have."""


_STRENGTH = Parameter("strength", "number", 1.0, "how much of it")
_VECTOR = Parameter("vector", "vector", "", "a steering vector by name, at the point's block")

WHEN: tuple[Parameter, ...] = (
    Parameter("positions", "indices", (), "only at these positions from the start of the text"),
    Parameter("token_ids", "indices", (), "only at these tokens"),
    Parameter("above", "bound", None, "only where the mean absolute activation of the row lies above"),
    Parameter("every", "count", 1, "only at every Nth pass; each generated token is a pass"),
)
"""Conditions that every controller takes beside its own parameters."""

KINDS: tuple[Kind, ...] = (
    Kind("scale", "multiply", True, (Parameter("factor", "number", 1.5, "0 takes the activation away"),)),
    Kind(
        "neurons",
        "scale, zero or set some neurons",
        True,
        (
            Parameter("neurons", "indices", (0,), "indices of the last axis"),
            Parameter("action", "choice", "zero", "what to do to them", ("zero", "scale", "set")),
            Parameter("value", "number", 0.0, "factor or new value"),
        ),
    ),
    Kind(
        "heads",
        "zero, scale or mean-ablate heads",
        True,
        (
            Parameter("heads", "indices", (0,), "heads from 0"),
            Parameter("action", "choice", "zero", "what to do to them", ("zero", "scale", "mean")),
            Parameter("value", "number", 1.0, "factor"),
        ),
        "heads",
    ),
    Kind("add", "add a vector", True, (_VECTOR, _STRENGTH)),
    Kind("project-out", "take a direction away", True, (_VECTOR, _STRENGTH)),
    Kind(
        "clamp",
        "hold values between bounds",
        True,
        (Parameter("low", "bound", -2.0, "least value"), Parameter("high", "bound", 2.0, "greatest value")),
    ),
    Kind(
        "normalise",
        "mean 0 and std 1, or a length, at each token",
        True,
        (
            Parameter("to", "choice", "standard", "what to normalise to", ("standard", "length")),
            Parameter("length", "number", 1.0, "norm of every token"),
        ),
    ),
    Kind(
        "patch",
        "put in the activation of another prompt",
        True,
        (
            Parameter("prompt", "text", "", "the prompt to take it from"),
            Parameter("at", "indices", (), "positions; none for all"),
        ),
    ),
    Kind("watch", "mean, std, norm, min and max of each token", False),
    Kind("running", "mean, std, min and max of each feature over all tokens", False),
    Kind("last", "the newest activation", False),
    Kind("log", "a line for each pass: on stderr, in the workbench in the log", False),
    Kind(
        "top-texts",
        "the texts that move each neuron most",
        False,
        (Parameter("top_k", "count", 5, "texts per neuron"),),
    ),
)


def find_kind(name: str) -> Kind:
    """Return a kind by its name.

    Raises:
        UsageError: There is none.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise UsageError(f"no hook is called {name!r}", hint=f"there are {', '.join(kind.name for kind in KINDS)}")


def parse_value(parameter: Parameter, text: str) -> Any:
    """Return what a person wrote for a parameter.

    Raises:
        UsageError: naming the parameter, where the text is no such value.
    """
    text = text.strip()
    try:
        if parameter.form == "number" or (parameter.form == "bound" and text):
            return _finite(float(text))
        if parameter.form == "bound":
            return None
        if parameter.form == "count":
            return _at_least_one(int(text))
        if parameter.form == "indices":
            return _indices(text)
    except ValueError as error:
        raise UsageError(f"{parameter.name}: {text!r} is no {_WORDS[parameter.form]}") from error
    if parameter.form == "choice" and text not in parameter.choices:
        raise UsageError(f"{parameter.name}: {text!r} is not one of {', '.join(parameter.choices)}")
    return text


def checked_value(parameter: Parameter, value: Any) -> Any:
    """Return a parameter's value as hooks take it: whole lists as tuples, whole numbers as they are.

    Raises:
        UsageError: naming the parameter, where it is no such value.
    """
    form = parameter.form
    if value is None and form == "bound":
        return None
    if form in ("number", "bound") and _is_number(value) and math.isfinite(value):
        return value
    if form == "count" and _is_whole(value) and 1 <= value <= MOST:
        return value
    if form == "indices" and isinstance(value, (tuple, list)) and all(map(_is_index, value)):
        return tuple(value)
    if form == "choice" and value in parameter.choices:
        return value
    if form in ("text", "vector") and isinstance(value, str):
        return value
    kinds = _WORDS | {"choice": f"one of {', '.join(parameter.choices)}", "text": "text", "vector": "vector's name"}
    article = "" if form in ("choice", "text") else "a "
    raise UsageError(f"{parameter.name}: {one_line(repr(value))[:60]} is not {article}{kinds[form]}")


def format_value(value: Any) -> str:
    """Return a value as `parse_value` reads it."""
    if value is None:
        return ""
    if isinstance(value, (tuple, list)):
        return ",".join(str(part) for part in value)
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)


_WORDS = {
    "number": "number",
    "bound": "number",
    "count": f"whole number from 1 to {MOST}",
    "indices": "list such as 0,3,5-7",
}


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_index(value: Any) -> bool:
    return _is_whole(value) and 0 <= value <= MOST_INDEX


def _at_least_one(number: int) -> int:
    if not 1 <= number <= MOST:
        raise ValueError
    return number


def _indices(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.replace(" ", "").split(","):
        low, dash, high = part.partition("-")
        if part:
            first, last = int(low), int(high) if dash else int(low)
            if last < first or last - first > 100_000:
                raise ValueError
            found.extend(range(first, last + 1))
    return tuple(dict.fromkeys(found))
