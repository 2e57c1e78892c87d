"""JSON from elsewhere, within bounds of memory and time: how many numbers, lists and texts there are is counted first.

Knows no format.
"""

from __future__ import annotations

import json
from typing import NoReturn

import numpy
import torch
from torch import Tensor

from steer_tui.errors import LibraryError
from steer_tui.library.formats.limits import check_count, check_layer, check_width, shown

MAX_FILE = 32 << 20
"""Bytes."""
MAX_NUMBERS = 1_500_000
"""88 blocks of width 12288 are 1.1 million; a number takes 36 bytes while it is read."""
MAX_LISTS = 20_000
MAX_TEXTS = 100_000
MAX_FOREIGN_TEXT = 4 << 20
"""Bytes of a file that is not pure ASCII: a single wide character makes Python keep four bytes for every one."""


def parse_json(data: bytes) -> dict[str, object]:
    """Return the object that a JSON text is; numbers beyond float64 are infinite.

    Raises:
        LibraryError: It is none, names a key twice, or is larger than a vector can need.
    """
    if len(data) > MAX_FILE:
        raise LibraryError(f"is JSON of more than {MAX_FILE >> 20} MiB, more than a vector can need")
    if data.count(b",") > MAX_NUMBERS or data.count(b'"') > 2 * MAX_TEXTS:
        raise LibraryError("holds more values than a vector can need")
    if data.count(b"[") + data.count(b"{") > MAX_LISTS:
        raise LibraryError("holds more lists than a vector can need")
    if len(data) > MAX_FOREIGN_TEXT and not data.isascii():
        raise LibraryError("holds more text than a vector can need")
    try:
        value = json.loads(data, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise LibraryError("is damaged: it is not valid JSON") from error
    if not isinstance(value, dict):
        raise LibraryError("is JSON, but no object")
    return value


def _refuse(text: str) -> NoReturn:
    raise LibraryError(f"holds {text}, which is no number")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise LibraryError("is damaged: it names a layer or another key twice")
    return found


def read_rows(value: object, what: str) -> dict[int, Tensor]:
    """Return layer -> (D,) float64 of an object whose keys are layers and whose values are lists of numbers.

    A list of one list counts as that list: several tools keep (1, D).

    Raises:
        LibraryError: It is something else.
    """
    if not isinstance(value, dict):
        raise LibraryError(f"has {what} that are no object")
    check_count(len(value))
    return {check_layer(layer): _row(layer, entry) for layer, entry in value.items()}


def _row(layer: object, entry: object) -> Tensor:
    if isinstance(entry, list) and entry and all(isinstance(row, list) for row in entry):
        if len(entry) > 1:
            raise LibraryError(
                f"holds {len(entry)} directions for layer {shown(layer)}",
                hint="planes, positions and heads cannot be steered with; one direction for each layer can",
            )
        entry = entry[0]
    if not isinstance(entry, list) or not set(map(type, entry)) <= {float, int}:
        raise LibraryError(f"holds no list of numbers for layer {shown(layer)}")
    check_width(len(entry))
    try:
        return torch.from_numpy(numpy.array(entry, dtype=numpy.float64))
    except OverflowError as error:
        raise LibraryError(f"holds numbers that are not finite for layer {shown(layer)}") from error
