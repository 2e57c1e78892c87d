"""The vectors on disk: those of the user, one folder per model, and those that ship with the product.

Promises that listing never fails and changes nothing, and that a kill at any instant leaves every vector whole.
torch is imported when numbers are read or written, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from steer_tui.engine.types import ModelInfo
from steer_tui.errors import LibraryError, SteerError
from steer_tui.library.catalogue import Listed, by_preference, catalogue, made_for_another
from steer_tui.library.concepts import load_concepts
from steer_tui.library.entries import (
    NOT_A_NAME,
    SUFFIX,
    Match,
    VectorEntry,
    belongs_to,
    find_entries,
    folders,
    match_entry,
    vector_files,
)
from steer_tui.library.header import TENSOR_PREFIX, header_of, read_file
from steer_tui.library.index import EntryIndex
from steer_tui.library.keeper import Keeper, Kept
from steer_tui.library.names import check_name, is_name
from steer_tui.library.query import Query
from steer_tui.library.seal import with_metadata
from steer_tui.library.trash import Removed, find_removed
from steer_tui.library.verify import Progress, Report, verify
from steer_tui.library.words import check_words
from steer_tui.paths import Paths, bundled
from steer_tui.text import one_line

if TYPE_CHECKING:
    from steer_tui.engine.vector import SteeringVector

Entries = list[VectorEntry]
Matches = list[Match]
Removals = list[Removed]
Catalogue = list[Listed]


@dataclass(slots=True)
class LoadedVectors:
    """The vectors of a model, by name."""

    vectors: dict[str, SteeringVector] = field(default_factory=dict)
    entries: dict[str, VectorEntry] = field(default_factory=dict)
    """Where each of `vectors` was read."""
    warnings: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    """Names for which there is a file and no vector, with the reason."""
    others: dict[str, str] = field(default_factory=dict)
    """Names that only another model's vectors have, with that model."""


class VectorStore:
    """Lists, loads and saves vector files."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._own = paths.vectors
        self._trash = paths.trash
        self._keeper = Keeper(paths.vectors, paths.trash)
        self._bundled = bundled("vectors")
        self._index = EntryIndex(paths.state / "vectors.sqlite3")

    def list(self, model: str | None = None) -> Entries:
        """Return every vector file, headers read only, the user's own first, by folder and name.

        Args:
            model: A model's id or folder in the library; None lists the vectors of all models.
        """
        own = (entry for folder in folders(self._own) for entry in self._index.read(vector_files(folder)))
        entries = [*own, *find_entries(self._bundled, is_bundled=True)]
        if model is None:
            return entries
        return [entry for entry in entries if belongs_to(entry, model)]

    def catalogue(self, info: ModelInfo | None, query: Query | None = None) -> Catalogue:
        """Return every file of every model, those of the model in use first, each with why it can be used or not.

        Args:
            info: The model in use; None where there is none.
            query: What to show; None shows all.
        """
        listed = catalogue(self.list(), info)
        return listed if query is None else [line for line in listed if query.matches(line.entry)]

    def verify(
        self,
        model: str | None = None,
        *,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Report:
        """Read every vector whole and return what is wrong with any; the trash is left out.

        Args:
            model: A model's id or folder in the library; None reads the vectors of all models.
            on_progress: Is told (files read, files in all).
            should_stop: Is asked before each file.
        """
        concepts, _ = load_concepts(self._paths)
        return verify(self.list(model), concepts, on_progress, should_stop)

    def matches(self, info: ModelInfo) -> Matches:
        """Return what there is for a model, best first; where a name comes twice, its first usable match counts."""
        return _matches(self.list(), info)

    def load_for(self, info: ModelInfo) -> LoadedVectors:
        """Return the vectors that can steer a model, with what is wrong with the others; never raises for a file."""
        loaded = LoadedVectors()
        entries = self.list()
        matches = _matches(entries, info)
        for match in matches:
            name = match.entry.name
            problem = match.problem
            if problem is None and name not in loaded.vectors:
                problem = self._load_match(match, loaded)
            if problem is not None:
                loaded.problems.setdefault(name, problem)
        known = {match.entry.name for match in matches}
        loaded.others = {
            entry.name: made_for_another(entry) for entry in entries if entry.known and entry.name not in known
        }
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
        shown = one_line(str(path))
        name = path.name.removesuffix(SUFFIX)
        if not is_name(name):
            raise LibraryError(f"{shown} {NOT_A_NAME}")
        from safetensors import SafetensorError
        from safetensors.torch import load

        from steer_tui.engine.vector import SteeringVector

        try:
            # Read whole, once: a mapped file that another program cuts short would end this one, and metadata
            # and numbers are of one and the same save.
            data = read_file(path)
            header = header_of(data)
            tensors = load(data)
            layers = {layer: tensors[f"{TENSOR_PREFIX}{layer}"] for layer in header.layers}
            return SteeringVector(name, layers, header.meta)
        except LibraryError as error:
            raise LibraryError(f"{shown} {error.message}", hint=error.hint) from error
        except (SafetensorError, KeyError, ValueError) as error:
            raise LibraryError(f"{shown} cannot be read: {one_line(str(error))}") from error
        except SteerError as error:
            raise LibraryError(f"{shown} is damaged: {error.message}", hint=error.hint) from error

    def save(self, vector: SteeringVector, *, replace: bool = True) -> Path:
        """Write a vector to the user's library and return where; arguments and errors as `keep` has them."""
        return self.keep(vector, replace=replace).path

    def keep(self, vector: SteeringVector, *, replace: bool = True) -> Kept:
        """Write a vector to the user's library and return where, and what went to the trash for it.

        Args:
            vector: What to keep.
            replace: Whether it may take the place of one of the same name for the same model.

        Raises:
            UsageError: Its name cannot be a file's.
            LibraryError: The file cannot be written, another program has been writing for too long, or the name
                is taken and `replace` is not given; what was there is in its place.
        """
        name = check_name(vector.name)
        return self._keeper.keep(vector.meta.model, name, _to_bytes(vector, name), replace=replace)

    def rename(self, entry: VectorEntry, new: str) -> VectorEntry:
        """Give one of the user's vectors another name and return it as it is now listed.

        Raises:
            UsageError: The name cannot be a vector's.
            LibraryError: The name is taken, the vector is bundled or gone, or the disk refuses; nothing has changed.
        """
        return self._keeper.rename(entry, new)

    def edit(
        self,
        entry: VectorEntry,
        *,
        group: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> VectorEntry:
        """Write another group, note or tags on one of the user's vectors; None leaves what there is.

        Raises:
            UsageError: A text is too long.
            LibraryError: The vector is bundled, gone or damaged, or the disk refuses; nothing has changed.
        """
        words = check_words(group, description, tags)
        return self._keeper.edit(entry, *words)

    def remove(self, entry: VectorEntry) -> Removed:
        """Move one of the user's vectors, or a file that is none, to the trash; `restore` takes what is returned.

        Raises:
            LibraryError: It is bundled or gone, or the disk refuses; nothing has changed.
        """
        return self._keeper.remove(entry)

    def trash(self, model: str | None = None) -> Removals:
        """Return what was removed, newest first.

        Args:
            model: A model's id or folder in the library; None lists what all models lost.
        """
        found = find_removed(self._trash)
        return found if model is None else [removed for removed in found if belongs_to(removed.entry, model)]

    def restore(self, removed: Removed, name: str | None = None) -> VectorEntry:
        """Move a vector from the trash back into the library and return it as it is now listed.

        Args:
            removed: An entry of `trash`.
            name: What to call it from now on; None leaves its name.

        Raises:
            UsageError: The name cannot be a vector's.
            LibraryError: The name is taken, it is no longer in the trash, or the disk refuses; nothing has changed.
        """
        return self._keeper.restore(removed, name)


def _matches(entries: Entries, info: ModelInfo) -> Matches:
    found = [match for entry in entries if (match := match_entry(entry, info)) is not None]
    return sorted(found, key=by_preference)


def _to_bytes(vector: SteeringVector, name: str) -> bytes:
    from safetensors.torch import save

    numbers = save({f"{TENSOR_PREFIX}{layer}": tensor for layer, tensor in vector.layers.items()})
    return with_metadata(numbers, replace(vector.meta, name=name))
