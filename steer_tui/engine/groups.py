"""Rows that begin alike: read once, then each goes its own way."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def group(keys: Iterable[Hashable]) -> tuple[list[int], list[int]]:
    """Return (read, place): the first row of every key, and for each row the place of its key's row among them."""
    read: list[int] = []
    places: dict[Hashable, int] = {}
    place: list[int] = []
    for row, key in enumerate(keys):
        if key not in places:
            places[key] = len(read)
            read.append(row)
        place.append(places[key])
    return read, place
