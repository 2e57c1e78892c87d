"""The one line that says what to do to a model: parse it, write it, check its names.

Knows nothing of tensors or files; `plan` turns a recipe into tensors.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from steer_tui.engine.scope import ALL, Scope, parse_scope
from steer_tui.errors import RecipeError

T = TypeVar("T")

OPS = ("add", "keepnorm", "ablate", "set", "cap", "rotate")
MAX_LAYER = 9999
MAX_STRENGTH = 1e6

Layers = tuple[int | str, ...]
"""Block indices, ascending, then `all` and `best` where they are named."""
BEST: Layers = ("best",)

_NAME = re.compile(r"[^\s,:@~/?<>\x00-\x1f\x7f-\x9f]+")
_FIELD = re.compile(r"[^,:@~/?]*")
_GATE = re.compile(r"[^,]*")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_SPAN = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition on the row's prompt: its place on the concept scale of `name` lies above (below) `threshold`."""

    name: str
    above: bool
    threshold: float

    def __str__(self) -> str:
        return f"{self.name}{'>' if self.above else '<'}{format_number(self.threshold)}"


@dataclass(frozen=True, slots=True)
class Term:
    """One concept and how it acts."""

    name: str
    strength: float = 1.0
    """1.0 is the distance between the class means; negative steers away."""
    layers: Layers = BEST
    op: str = "add"
    scope: Scope = ALL
    gate: Gate | None = None

    def __str__(self) -> str:
        text = self.name
        if self.strength != 1.0:
            text += f":{format_number(self.strength)}"
        if self.layers != BEST:
            text += f"@{format_layers(self.layers)}"
        if self.op != "add":
            text += f"~{self.op}"
        if self.scope != ALL:
            text += f"/{self.scope}"
        return text if self.gate is None else f"{text}?{self.gate}"

    def resolve_layers(self, count: int, best: Sequence[int]) -> tuple[int, ...]:
        """Return the block indices for a model of `count` blocks and a vector whose recommended layers are `best`.

        Raises:
            RecipeError: a layer is not in the model.
        """
        found: set[int] = set()
        for layer in self.layers:
            if layer == "all":
                found.update(range(count))
            elif layer == "best":
                found.update(best)
            else:
                found.add(int(layer))
        outside = sorted(layer for layer in found if layer >= count)
        if outside:
            raise RecipeError(f"{self.name}: no layer {outside[0]}", hint=f"the model has layers 0-{count - 1}")
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Recipe:
    """Terms in the order in which they act; no term leaves the model as it is."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    @property
    def names(self) -> tuple[str, ...]:
        """Every vector the recipe needs, terms first, each once."""
        gates = [term.gate.name for term in self.terms if term.gate]
        return tuple(dict.fromkeys([term.name for term in self.terms] + gates))


def format_number(value: float) -> str:
    """Return the shortest text that reads back as `value`."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def format_layers(layers: Layers) -> str:
    """Return layers as the contract writes them, such as `3-4+7`."""
    spans: list[str] = []
    numbers = [layer for layer in layers if isinstance(layer, int)]
    while numbers:
        length = 1
        while length < len(numbers) and numbers[length] == numbers[0] + length:
            length += 1
        spans.append(str(numbers[0]) if length == 1 else f"{numbers[0]}-{numbers[length - 1]}")
        numbers = numbers[length:]
    return "+".join(spans + [layer for layer in layers if isinstance(layer, str)])


def parse_layers(text: str) -> Layers:
    """Return the layers that a text such as `3-4+7`, `all` or `best` names.

    Raises:
        RecipeError: it names none.
    """
    numbers: set[int] = set()
    words: set[str] = set()
    for span in (part.strip() for part in text.split("+")):
        if span in ("all", "best"):
            words.add(span)
            continue
        match = _SPAN.fullmatch(span)
        if match is None:
            raise RecipeError(f"{span!r} is no layer", hint="write layers as 3, 3-5, 1+4, all or best")
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high:
            raise RecipeError(f"layers {low}-{high} run backwards", hint=f"write {high}-{low}")
        if high > MAX_LAYER:
            raise RecipeError(f"no layer {high}", hint=f"layers end at {MAX_LAYER}")
        numbers.update(range(low, high + 1))
    return (*sorted(numbers), *sorted(words))


def parse_number(text: str) -> float:
    """Return a finite number written in decimal.

    Raises:
        RecipeError: `text` is none, or its size is beyond any use.
    """
    if not _NUMBER.fullmatch(text):
        raise RecipeError(f"{text!r} is no number", hint="write a strength as 2, -0.5 or 1.25")
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_STRENGTH:
        raise RecipeError(f"{text} is too large", hint="strengths beyond 10 break most models")
    return value + 0.0  # -0.0 and 0.0 are one strength


class _Reader:
    """Walks over one line and knows the column it stands at."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def accept(self, sign: str) -> bool:
        self.skip_space()
        if self.text[self.at : self.at + 1] != sign:
            return False
        self.at += 1
        self.skip_space()
        return True

    def fail(self, message: str, hint: str | None = None) -> RecipeError:
        return RecipeError(message, hint=hint, column=self.at + 1)


def parse_recipe(text: str) -> Recipe:
    """Return the recipe that a line says; an empty line is the empty recipe.

    Raises:
        RecipeError: the line is none; the message names the column.
    """
    reader = _Reader(text)
    reader.skip_space()
    if reader.at == len(text):
        return Recipe()
    terms = [_parse_term(reader)]
    while reader.accept(","):
        terms.append(_parse_term(reader))
    reader.skip_space()
    if reader.at < len(text):
        raise reader.fail(
            f"{text[reader.at]!r} does not belong here",
            "a term is name:strength@layers~op/scope?gate, in that order; terms are parted by commas",
        )
    return Recipe(tuple(terms))


def _parse_term(reader: _Reader) -> Term:
    reader.skip_space()
    name = reader.take(_NAME)
    if not name:
        raise reader.fail("a concept's name is missing", "a term begins with a name, as in happy:2@3-4")
    strength = _field(reader, ":", parse_number, 1.0)
    layers = _field(reader, "@", parse_layers, BEST)
    op = _field(reader, "~", _parse_op, "add")
    scope = _field(reader, "/", parse_scope, ALL)
    gate: Gate | None = _field(reader, "?", _parse_gate, None, _GATE)
    return Term(name, strength, layers, op, scope, gate)


def _field(reader: _Reader, sign: str, parse: Callable[[str], T], default: T, pattern: re.Pattern[str] = _FIELD) -> T:
    if not reader.accept(sign):
        return default
    start = reader.at
    text = reader.take(pattern).strip()
    try:
        return parse(text)
    except RecipeError as error:
        raise RecipeError(error.message, hint=error.hint, column=start + 1) from None


def _parse_op(text: str) -> str:
    if text in OPS:
        return text
    near = difflib.get_close_matches(text, OPS, 1)
    raise RecipeError(f"no operation {text!r}", hint=f"did you mean {near[0]}?" if near else f"one of {', '.join(OPS)}")


def _parse_gate(text: str) -> Gate | None:
    sign = next((character for character in text if character in "<>"), "")
    name, _, number = text.partition(sign) if sign else (text, "", "")
    if not _NAME.fullmatch(name.rstrip()) or not number:
        raise RecipeError(f"{text!r} is no gate", hint="write a gate as ?angry>0.5")
    return Gate(name.rstrip(), sign == ">", parse_number(number.lstrip()))


def nearest_names(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what comes nearest to `name`."""
    near = difflib.get_close_matches(name, sorted(set(known)), 3, 0.5)
    return f"did you mean {', '.join(near)}?" if near else "`steer-tui vectors list` shows the concepts there are"


def require_names(recipe: Recipe, known: Iterable[str]) -> None:
    """Refuse a recipe that names a vector which is not known.

    Raises:
        RecipeError: with the nearest known names as its hint.
    """
    names = list(known)
    for name in recipe.names:
        if name not in names:
            raise RecipeError(f"no vector {name!r}", hint=nearest_names(name, names))
