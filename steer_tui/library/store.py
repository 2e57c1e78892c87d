"""The vectors on disk: those of the user, one folder per model, and those that ship with the product.

Promises that listing never fails and changes nothing, and that a kill during a save leaves the old file or the new one.
torch is imported when numbers are read or written, not before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from steer_tui.engine.types import ModelInfo
from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import LibraryError, SteerError
from steer_tui.files import TEMPORARY_SUFFIX, write_atomic, write_error
from steer_tui.library.entries import (
    SUFFIX,
    Match,
    VectorEntry,
    belongs_to,
    find_entries,
    folder_entries,
    match_entry,
    read_entry,
    visible,
)
from steer_tui.library.header import METADATA_KEY, TENSOR_PREFIX
from steer_tui.library.names import check_name, slug
from steer_tui.paths import Paths, bundled
from steer_tui.text import one_line

if TYPE_CHECKING:
    from steer_tui.engine.vector import SteeringVector

LOCK_SECONDS = 10.0
"""How long a save waits for another program that writes to the same library."""
_MARK_LENGTH = 8

Entries = list[VectorEntry]
Matches = list[Match]


@dataclass(slots=True)
class LoadedVectors:
    """The vectors of a model, by name."""

    vectors: dict[str, SteeringVector] = field(default_factory=dict)
    entries: dict[str, VectorEntry] = field(default_factory=dict)
    """Where each of `vectors` was read."""
    warnings: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    """Names for which there is a file and no vector, with the reason."""


class VectorStore:
    """Lists, loads and saves vector files."""

    def __init__(self, paths: Paths) -> None:
        self._own = paths.vectors
        self._bundled = bundled("vectors")

    def list(self, model: str | None = None) -> Entries:
        """Return every vector file, headers read only, the user's own first, by folder and name.

        Args:
            model: A model's id or folder in the library; None lists the vectors of all models.
        """
        entries = [*find_entries(self._own, is_bundled=False), *find_entries(self._bundled, is_bundled=True)]
        if model is None:
            return entries
        return [entry for entry in entries if belongs_to(entry, model)]

    def matches(self, info: ModelInfo) -> Matches:
        """Return what there is for a model, best first; where a name comes twice, its first usable match counts."""
        found = [match for entry in self.list() if (match := match_entry(entry, info)) is not None]
        return sorted(found, key=lambda match: (match.problem is not None, match.entry.bundled, bool(match.warning)))

    def load_for(self, info: ModelInfo) -> LoadedVectors:
        """Return the vectors that can steer a model, with what is wrong with the others; never raises for a file."""
        loaded = LoadedVectors()
        for match in self.matches(info):
            name = match.entry.name
            problem = match.problem
            if problem is None and name not in loaded.vectors:
                problem = self._load_match(match, loaded)
            if problem is not None:
                loaded.problems.setdefault(name, problem)
        for name in loaded.vectors.keys() & loaded.problems.keys():
            problem = loaded.problems.pop(name)
            loaded.warnings.setdefault(name, f"another file of this name {problem}; this one is used instead")
        return loaded

    def _load_match(self, match: Match, loaded: LoadedVectors) -> str | None:
        """Load one vector into `loaded`, or return why not."""
        name = match.entry.name
        try:
            loaded.vectors[name] = self.load(match.entry.path)
        except SteerError as error:
            return error.message.removeprefix(f"{one_line(str(match.entry.path))} ")
        loaded.entries[name] = match.entry
        if match.warning is not None:
            loaded.warnings[name] = match.warning
        return None

    def vectors_for(self, info: ModelInfo) -> dict[str, SteeringVector]:
        """Return the vectors that can steer a model, by name; the user's own come before bundled ones."""
        return self.load_for(info).vectors

    def load(self, path: Path) -> SteeringVector:
        """Return the vector in the file at `path`.

        Raises:
            LibraryError: The file cannot be read, is damaged, or its name cannot be a vector's name.
        """
        entry = read_entry(path, is_bundled=False)
        if entry.meta is None:
            raise LibraryError(f"{one_line(str(path))} {entry.problem}")
        from safetensors import SafetensorError
        from safetensors.torch import load

        from steer_tui.engine.vector import SteeringVector

        try:
            # Read whole, not mapped: a mapped file that another program cuts short would end this one.
            tensors = load(path.read_bytes())
            layers = {layer: tensors[f"{TENSOR_PREFIX}{layer}"] for layer in entry.layers}
            return SteeringVector(entry.name, layers, entry.meta)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise LibraryError(f"{one_line(str(path))} cannot be read: {one_line(str(error))}") from error
        except SteerError as error:
            raise LibraryError(f"{one_line(str(path))} is damaged: {error.message}", hint=error.hint) from error

    def save(self, vector: SteeringVector) -> Path:
        """Write a vector to the user's library, over one of the same name for the same model; return where.

        Raises:
            UsageError: Its name cannot be a file's.
            LibraryError: The file cannot be written, or another program has been writing for too long.
        """
        name = check_name(vector.name)
        data = _to_bytes(vector, name)
        with self._writing():
            folder = self._folder_for(vector.meta.model)
            _refuse_other_case(folder, name)
            path = folder / f"{name}{SUFFIX}"
            write_atomic(path, data)
        return path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the library's write lock; what a killed writer left behind is cleared away."""
        from filelock import FileLock, Timeout

        try:
            self._own.mkdir(parents=True, exist_ok=True)
            with FileLock(self._own / ".lock", timeout=LOCK_SECONDS):
                for leftover in self._own.glob(f"*/.*{TEMPORARY_SUFFIX}"):
                    leftover.unlink(missing_ok=True)
                yield
        except Timeout as error:
            raise LibraryError(
                f"another program has been writing to the library for {LOCK_SECONDS:.0f} s", hint="try again"
            ) from error
        except OSError as error:
            raise write_error(self._own, error) from error

    def _folder_for(self, model: MadeFor) -> Path:
        """Return a model's folder; two models with one name get one each, so that neither overwrites the other's."""
        plain = self._own / slug(model["id"])
        marked = self._own / f"{plain.name}-{slug(model['fingerprint'])[:_MARK_LENGTH]}"
        if marked.is_dir():
            return marked
        owners = {entry.meta.model["fingerprint"] for entry in folder_entries(plain, is_bundled=False) if entry.meta}
        return plain if not owners or model["fingerprint"] in owners else marked


def _refuse_other_case(folder: Path, name: str) -> None:
    """Keep names apart that are one file on a system which ignores case."""
    for path in visible(folder):
        other = path.name.removesuffix(SUFFIX)
        if other != name and other.casefold() == name.casefold():
            raise LibraryError(f"{name!r} differs from {other!r} by case only", hint="choose another name")


def _to_bytes(vector: SteeringVector, name: str) -> bytes:
    from safetensors.torch import save

    meta = json.dumps(replace(vector.meta, name=name).to_json(), allow_nan=False)
    return save({f"{TENSOR_PREFIX}{layer}": tensor for layer, tensor in vector.layers.items()}, {METADATA_KEY: meta})
