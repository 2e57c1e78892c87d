"""Vector files as lists show them: found below a folder, described by their headers, matched with a model.

Promises that no file and no folder, whatever it holds, raises; reads no numbers and imports no torch.
A file's own name is the vector's name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from steer_tui.engine.types import ModelInfo
from steer_tui.engine.vectormeta import VectorMeta
from steer_tui.errors import LibraryError
from steer_tui.library.glance import Glance
from steer_tui.library.header import read_header
from steer_tui.library.names import is_name, slug
from steer_tui.text import one_line

SUFFIX = ".safetensors"
NOT_A_NAME = "has a file name that cannot be a vector's name"


@dataclass(frozen=True, slots=True)
class VectorEntry:
    """One vector file as a list shows it: `known` and `layers` are there, or `problem` says why not."""

    path: Path
    name: str
    """What recipes call it; cleaned text where the file's name cannot be a name."""
    bundled: bool
    known: VectorMeta | Glance | None = None
    """What lists need of its metadata; the whole of it where the file was read just now."""
    layers: tuple[int, ...] = ()
    size_bytes: int = 0
    problem: str | None = None
    """A sentence part that follows the file's name: `is cut short`."""
    mark: str = ""
    """By which a change of the file is seen; empty where the whole of its metadata is here."""

    @property
    def meta(self) -> VectorMeta | None:
        """The whole of its metadata, read from the file if need be; None where `problem` says why not."""
        if isinstance(self.known, Glance):
            return _whole_meta(self.path, self.name, self.mark) or self.known.to_meta(self.name)
        return self.known

    def to_json(self) -> dict[str, object]:
        """Return one entry of `vectors list --json`."""
        known = self.meta.to_json() if self.meta else {"name": self.name}
        return known | {
            "path": str(self.path),
            "bundled": self.bundled,
            "size_bytes": self.size_bytes,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Match:
    """A vector that was made for a model, or claims to be."""

    entry: VectorEntry
    warning: str | None = None
    """Why it may not do what it promises, None where it was made for these very weights."""
    problem: str | None = None
    """Why it cannot be used, None where it can."""


@lru_cache(maxsize=1024)
def _whole_meta(path: Path, name: str, mark: str) -> VectorMeta | None:
    """Return a file's metadata, None where it no longer parses; `mark` keeps what was read before a change apart."""
    try:
        return replace(read_header(path).meta, name=name)
    except LibraryError:
        return None


def match_entry(entry: VectorEntry, info: ModelInfo) -> Match | None:
    """Return how a vector fits a model, None where it was made for another one."""
    if entry.known is None:
        is_in_folder = slug(info.id) == entry.path.parent.name
        return Match(entry, problem=entry.problem) if is_in_folder else None
    model = entry.known.model
    is_same = model["fingerprint"] == info.fingerprint and bool(info.fingerprint)
    if not is_same and model["id"] != one_line(info.id):
        return None
    if model["width"] != info.width:
        return Match(entry, problem=f"was made for width {model['width']}, the model has {info.width}")
    if model["layers"] != info.layers:
        return Match(entry, problem=f"was made for {model['layers']} layers, the model has {info.layers}")
    if is_same:
        return Match(entry)
    return Match(entry, warning=f"was made for other weights of {model['id']}: its effect may differ")


def read_entry(path: Path, *, is_bundled: bool) -> VectorEntry:
    """Return what one vector file says of itself; a problem instead of an error."""
    name = path.name.removesuffix(SUFFIX)
    if not is_name(name):
        return VectorEntry(path, one_line(name), is_bundled, size_bytes=_size(path), problem=NOT_A_NAME)
    try:
        header = read_header(path)
    except LibraryError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return VectorEntry(path, name, is_bundled, size_bytes=_size(path), problem=f"{error.message}{hint}")
    meta = header.meta if header.meta.name == name else replace(header.meta, name=name)
    return VectorEntry(path, name, is_bundled, meta, header.layers, header.size_bytes)


def _size(path: Path) -> int:
    """Return how large a file that does not parse is, 0 where even that cannot be told."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def find_entries(root: Path, *, is_bundled: bool) -> Iterator[VectorEntry]:
    """Yield the vector files in the folders below `root`, by folder and name."""
    for folder in folders(root):
        yield from folder_entries(folder, is_bundled=is_bundled)


def folders(root: Path) -> list[Path]:
    """Return the visible folders in a folder, by name."""
    return [folder for folder in visible(root) if folder.is_dir()]


def folder_entries(folder: Path, *, is_bundled: bool) -> Iterator[VectorEntry]:
    """Yield the vector files in one folder, by name."""
    for path in vector_files(folder):
        yield read_entry(path, is_bundled=is_bundled)


def vector_files(folder: Path) -> list[Path]:
    """Return the visible files in a folder that are called as vectors are, by name."""
    return [path for path in visible(folder) if path.name.endswith(SUFFIX)]


def visible(folder: Path) -> list[Path]:
    """Return the visible entries of a folder by name; none where it is absent or may not be read."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def belongs_to(entry: VectorEntry, model: str) -> bool:
    """Say whether a vector is listed under a model's id or folder name."""
    if entry.known is not None and entry.known.model["id"] == one_line(model):
        return True
    return entry.path.parent.name in (model, slug(model))
