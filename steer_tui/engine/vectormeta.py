"""What is known of a steering vector beside its numbers: what it means, which model it was made for, how, how well.

Plain values, no torch; promises that what comes out of `from_json` has the types it names, whatever went in.
Knows nothing of files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypedDict

from steer_tui.engine.oddpairs import OddPair, odd_pairs_from_json
from steer_tui.errors import LibraryError
from steer_tui.text import clean, one_line, truncate

FORMAT = 1
MAX_LAYER = 9999
_MOST = 1e300
_ALWAYS = ("separation", "consistency", "split_half", "auroc")
_SITE = re.compile(r"[A-Za-z0-9_.*]{1,200}")


class MadeFor(TypedDict):
    """The model a vector was made for."""

    id: str
    type: str
    layers: int
    width: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class VectorMeta:
    """The metadata entry of a vector file; layers are 0-based block indices."""

    name: str
    model: MadeFor
    group: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    site: str = "block_out"
    """Where it was read and acts: `block_out`, `attn_out`, `mlp_out`, or a module path, `*` for the block's number."""
    method: str = "mean"
    read: str = ""
    """Which tokens were averaged."""
    template: str = "raw"
    """`raw`, or `chat` where the examples went through the model's chat template."""
    pairs: int = 0
    """Contrast pairs it was made from; 0 where there were none."""
    pairs_sha256: str = ""
    created: str = ""
    """ISO 8601, UTC."""
    best_layers: tuple[int, ...] = ()
    """Recommended layers, the best one first where they differ; empty where none was measured."""
    residual_norm: dict[int, float] = field(default_factory=dict)
    """Layer -> mean norm of the residual stream there: the scale against which a vector is large or small."""
    origin: dict[int, float] = field(default_factory=dict)
    """Layer -> projection of the negative mean on the unit direction: 0 on the concept scale."""
    diagnostics: dict[int, dict[str, float]] = field(default_factory=dict)
    """Layer -> separation, consistency, split_half, auroc, reversed, relative_norm; what could not be computed is left
    out."""
    disagreeing: tuple[OddPair, ...] = ()
    """Pairs that point away from the rest at the best layer, the worst first."""
    source: dict[str, str] | None = None
    """`producer` and `file` of an imported vector."""
    default_recipe: str | None = None
    """A recipe that was measured to work, None where none was."""
    parents: tuple[str, ...] = ()
    """The vectors it was computed from, such as `happy:1`; empty where it was made from texts or imported."""
    format: int = FORMAT
    extra: dict[str, object] = field(default_factory=dict)
    """Entries this version does not know, kept for the next one."""

    def to_json(self) -> dict[str, object]:
        """Return the contract's object; numbers that are not finite are left out, or null among the diagnostics."""
        known: dict[str, object] = {
            "format": self.format,
            "name": self.name,
            "group": self.group,
            "description": self.description,
            "tags": list(self.tags),
            "model": dict(self.model),
            "site": self.site,
            "method": self.method,
            "read": self.read,
            "template": self.template,
            "pairs": self.pairs,
            "pairs_sha256": self.pairs_sha256,
            "created": self.created,
            "best_layers": list(self.best_layers),
            "residual_norm": _finite(self.residual_norm),
            "origin": _finite(self.origin),
            "diagnostics": {str(layer): _measured(values) for layer, values in self.diagnostics.items()},
            "source": self.source,
        }
        if self.disagreeing:
            known["disagreeing"] = [pair.to_json() for pair in self.disagreeing]
        if self.default_recipe is not None:
            known["default_recipe"] = self.default_recipe
        if self.parents:
            known["parents"] = list(self.parents)
        return {**self.extra, **known}

    @classmethod
    def from_json(cls, value: object) -> VectorMeta:
        """Return the metadata that a JSON object holds, its texts cleaned.

        Raises:
            LibraryError: Something is of a wrong type, or of a newer format; the message names the entry.
        """
        fields = _Fields(value, "the metadata")
        version = fields.integer("format", FORMAT)
        if version > FORMAT:
            raise LibraryError(f"format {version} is newer than this steer-tui", hint="update steer-tui")
        meta = cls(
            name=fields.text("name"),
            model=_made_for(fields.take("model")),
            group=fields.text("group"),
            description=fields.text("description", lines=True),
            tags=fields.texts("tags"),
            site=fields.text("site", "block_out"),
            method=fields.text("method", "mean"),
            read=fields.text("read"),
            template=fields.text("template", "raw"),
            pairs=fields.integer("pairs", 0),
            pairs_sha256=fields.text("pairs_sha256"),
            created=fields.text("created"),
            best_layers=fields.layers("best_layers"),
            residual_norm=fields.by_layer("residual_norm"),
            origin=fields.by_layer("origin"),
            diagnostics=fields.diagnostics("diagnostics"),
            disagreeing=odd_pairs_from_json(fields.take("disagreeing", [])),
            source=fields.source("source"),
            default_recipe=fields.text("default_recipe") or None,
            parents=fields.texts("parents"),
            format=version,
            extra=fields.rest(),
        )
        if not _SITE.fullmatch(meta.site):
            raise LibraryError(f"it acts at {truncate(meta.site, 40)!r}, which is no place in a model")
        return meta


def _made_for(value: object) -> MadeFor:
    fields = _Fields(value, "model")
    return MadeFor(
        id=fields.text("id"),
        type=fields.text("type"),
        layers=fields.integer("layers"),
        width=fields.integer("width"),
        fingerprint=fields.text("fingerprint"),
    )


def _finite(values: Mapping[int, float] | Mapping[str, float]) -> dict[str, float]:
    return {str(key): value for key, value in values.items() if math.isfinite(value)}


def _measured(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return a layer's diagnostics; of those that every vector has, None for what could not be computed."""
    return {name: None for name in _ALWAYS} | dict(_finite(values))


class _Fields:
    """Typed access to a JSON object from outside; what was taken is not in `rest`."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise LibraryError(f"{what} is not an object")
        self._values: dict[str, object] = dict(value)

    def take(self, key: str, default: object = None) -> object:
        """Return an entry; null counts as absent."""
        value = self._values.pop(key, None)
        return default if value is None else value

    def text(self, key: str, default: str = "", *, lines: bool = False) -> str:
        value = self.take(key, default)
        if not isinstance(value, str):
            raise LibraryError(f"{key!r} is not a text")
        return clean(value) if lines else one_line(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.take(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise LibraryError(f"{key!r} is not a list of texts")
        return tuple(one_line(entry) for entry in value)

    def integer(self, key: str, default: int | None = None) -> int:
        value = self.take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise LibraryError(f"{key!r} is not a whole number of 0 or more")
        return value

    def layers(self, key: str) -> tuple[int, ...]:
        value = self.take(key, [])
        if not isinstance(value, list):
            raise LibraryError(f"{key!r} is not a list of layers")
        return tuple(_layer(entry, key) for entry in value)

    def by_layer(self, key: str) -> dict[int, float]:
        value = self.take(key, {})
        if not isinstance(value, dict):
            raise LibraryError(f"{key!r} is not an object")
        return {_layer(layer, key): _number(number, key) for layer, number in value.items() if number is not None}

    def diagnostics(self, key: str) -> dict[int, dict[str, float]]:
        value = self.take(key, {})
        if not isinstance(value, dict):
            raise LibraryError(f"{key!r} is not an object")
        return {_layer(layer, key): _numbers(values, key) for layer, values in value.items()}

    def source(self, key: str) -> dict[str, str] | None:
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise LibraryError(f"{key!r} is not an object")
        return {one_line(str(name)): one_line(str(entry)) for name, entry in value.items()}

    def rest(self) -> dict[str, object]:
        return self._values


def _layer(value: object, key: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(MAX_LAYER)):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_LAYER:
        raise LibraryError(f"{key!r} names a layer that is none: {one_line(repr(value))[:40]}")
    return value


def _numbers(value: object, key: str) -> dict[str, float]:
    if not isinstance(value, dict):
        raise LibraryError(f"{key!r} is not an object")
    return {_measure(str(name)): _number(number, key) for name, number in value.items() if number is not None}


def _measure(name: str) -> str:
    return _short(name) if len(name) < 40 else one_line(name)


_short = lru_cache(maxsize=256)(one_line)
"""The same few names come again for every layer of every vector."""


def _number(value: object, key: str) -> float:
    if type(value) is float and -_MOST < value < _MOST:  # nearly every one, and lists read a million of them
        return value
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _MOST:
        raise LibraryError(f"{key!r} holds something that is no number: {one_line(repr(value))[:40]}")
    return float(value)
