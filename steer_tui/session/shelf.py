"""The concepts and vectors that serve one model: what there is, what is missing, what can be made.

Promises that no file, whatever it holds, makes it fail. Holds vectors without looking into them; imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from steer_tui.engine.recipe import nearest_names
from steer_tui.engine.types import ModelInfo
from steer_tui.errors import LibraryError, RecipeError, SteerError
from steer_tui.library.catalogue import Listed, by_preference
from steer_tui.library.concepts import Concept, load_concepts
from steer_tui.library.entries import read_entry
from steer_tui.library.store import LoadedVectors
from steer_tui.paths import Paths
from steer_tui.session.messages import VectorSummary
from steer_tui.text import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from steer_tui.engine.vector import SteeringVector

BROKEN_GROUP = "unreadable"
PLAIN_GROUP = "other"


class Store(Protocol):
    """What is needed of `library.store.VectorStore`."""

    def load_for(self, info: ModelInfo) -> LoadedVectors:
        """Return the vectors that can steer a model."""

    def save(self, vector: SteeringVector) -> Path:
        """Keep a vector."""

    def load(self, path: Path) -> SteeringVector:
        """Return the vector in a file."""


def _place(summary: VectorSummary) -> tuple[bool, str, str, str]:
    return summary.group == BROKEN_GROUP, summary.group.casefold(), summary.name.casefold(), summary.name


class Shelf:
    """Concepts and vectors for one model."""

    def __init__(self, paths: Paths, store: Store, info: ModelInfo) -> None:
        self._paths = paths
        self._store = store
        self._loaded = store.load_for(info)
        self._concepts: dict[str, Concept] = {}
        self._broken: dict[str, str] = {}
        self._read_concepts()

    @property
    def vectors(self) -> Mapping[str, SteeringVector]:
        """Every usable vector by name; what is kept later appears in it."""
        return self._loaded.vectors

    def summaries(self) -> tuple[VectorSummary, ...]:
        """Return every concept and vector, by group and name; those that cannot be used with the reason."""
        names = {*self._concepts, *self._broken, *self._loaded.vectors, *self._loaded.problems}
        return tuple(sorted(map(self._summary, names), key=_place))

    def _summary(self, name: str) -> VectorSummary:
        concept, vector = self._concepts.get(name), self._loaded.vectors.get(name)
        entry = self._loaded.entries.get(name)
        meta = vector.meta if vector is not None else None
        problem = None if vector is not None else self._problem(name)
        fallback = BROKEN_GROUP if problem else PLAIN_GROUP
        return VectorSummary(
            name=name,
            group=(concept.group if concept else "") or (meta.group if meta else "") or fallback,
            description=(concept.description if concept else "") or (meta.description if meta else ""),
            has_vector=vector is not None,
            best_layers=meta.best_layers if meta else (),
            default_recipe=(meta.default_recipe if meta else None) or name,
            bundled=entry.bundled if entry else bool(concept and concept.bundled),
            problem=problem,
            warning=self._loaded.warnings.get(name),
            is_concept=concept is not None,
        )

    def _problem(self, name: str) -> str | None:
        """Return why a name without a vector cannot get one, None where it can."""
        if name in self._loaded.problems:
            return f"its vector file {self._loaded.problems[name]}"
        return None if name in self._concepts else f"its concept file {self._broken[name]}"

    def concepts(self, names: Iterable[str]) -> dict[str, Concept]:
        """Return the concepts of these names that there are, with their examples; a vector need not have one."""
        return {name: self._concepts[name] for name in names if name in self._concepts}

    def missing(self, names: Iterable[str]) -> list[Concept]:
        """Return the concepts among `names` that have no vector yet.

        Raises:
            RecipeError: A name is neither a vector of this model nor a concept.
            LibraryError: Its file is damaged; making it anew would write over it.
        """
        wanted = [name for name in dict.fromkeys(names) if name not in self._loaded.vectors]
        if any(name not in self._concepts for name in wanted):
            self._read_concepts()  # it may have been written since
        return [self._makeable(name) for name in wanted]

    def chosen(self, names: Sequence[str]) -> list[Concept]:
        """Return the named concepts, whether or not they have vectors; without names, all that lack one.

        Raises:
            RecipeError, LibraryError: As `missing`.
        """
        self._read_concepts()
        if names:
            return [self._makeable(name) for name in dict.fromkeys(names)]
        taken = self._loaded.vectors.keys() | self._loaded.problems.keys()
        return [concept for name, concept in self._concepts.items() if name not in taken]

    def _makeable(self, name: str) -> Concept:
        if name in self._loaded.problems:
            hint = f"`steer-tui vectors remove {name}` moves the file to the trash; then it can be made anew"
            raise LibraryError(f"vector {name!r} {self._loaded.problems[name]}", hint=hint)
        if name in self._concepts:
            return self._concepts[name]
        if name in self._broken:
            raise LibraryError(f"concept {name!r} {self._broken[name]}")
        if name in self._loaded.others:
            hint = f"make it for this model: `steer-tui extract {name}` with its examples"
            raise RecipeError(f"vector {name!r} {self._loaded.others[name]}", hint=hint)
        raise RecipeError(f"no vector {name!r}", hint=nearest_names(name, [*self._concepts, *self._loaded.vectors]))

    def keep(self, vectors: Mapping[str, SteeringVector]) -> SteerError | None:
        """Take new vectors into use and write them to the library; return why that failed, None where it did not.

        A vector that could not be written serves until the program ends.
        """
        trouble: SteerError | None = None
        for name, vector in vectors.items():
            self._loaded.vectors[name] = vector
            self._loaded.entries.pop(name, None)
            self._loaded.warnings.pop(name, None)
            if trouble is None:
                try:
                    self._loaded.entries[name] = read_entry(self._store.save(vector), is_bundled=False)
                except SteerError as error:
                    trouble = error
        return trouble

    def refresh(self, listed: Iterable[Listed], names: Iterable[str]) -> None:
        """Take in what became of vectors whose files were changed: made, renamed, removed, restored.

        Args:
            listed: The whole library as it is now.
            names: The vectors to look at again.
        """
        self._read_concepts()
        wanted = set(names)
        found = [line for line in listed if line.is_for_model and line.entry.name in wanted]
        for name in wanted:
            for table in (self._loaded.vectors, self._loaded.entries, self._loaded.warnings, self._loaded.problems):
                table.pop(name, None)
        for line in sorted(found, key=by_preference):
            if line.entry.name not in self._loaded.vectors:
                self._take(line)

    def _take(self, line: Listed) -> None:
        name = line.entry.name
        try:
            if line.problem is not None:
                raise LibraryError(line.problem)
            self._loaded.vectors[name] = self._store.load(line.entry.path)
        except SteerError as error:
            self._loaded.problems.setdefault(name, error.message)
            return
        self._loaded.problems.pop(name, None)
        self._loaded.entries[name] = line.entry
        if line.warning is not None:
            self._loaded.warnings[name] = line.warning

    def _read_concepts(self) -> None:
        concepts, problems = load_concepts(self._paths)
        self._concepts = {concept.name: concept for concept in concepts}
        broken = {one_line(problem.path.stem): problem.message for problem in problems}
        self._broken = {name: reason for name, reason in broken.items() if name not in self._concepts}
