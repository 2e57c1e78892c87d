"""The vectors that a recipe names, for a loaded model: from the library, else made from concepts and kept there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from steer_tui.commands.console import Progress, note
from steer_tui.engine.recipe import nearest_names
from steer_tui.errors import LibraryError, RecipeError
from steer_tui.library.concepts import Concept, load_concepts
from steer_tui.library.store import LoadedVectors, VectorStore
from steer_tui.paths import Paths

if TYPE_CHECKING:
    from steer_tui.engine.model import LanguageModel
    from steer_tui.engine.vector import SteeringVector


def ready_vectors(lm: LanguageModel, names: Sequence[str], paths: Paths) -> dict[str, SteeringVector]:
    """Return a vector for each name.

    Raises:
        RecipeError: A name is neither a vector of this model nor a concept.
        LibraryError: Its file is damaged, or a new vector cannot be kept.
    """
    store = VectorStore(paths)
    loaded = store.load_for(lm.info)
    vectors = {name: loaded.vectors[name] for name in names if name in loaded.vectors}
    for name in vectors.keys() & loaded.warnings.keys():
        note(f"warning: vector {name!r} {loaded.warnings[name]}")
    missing = [name for name in names if name not in vectors]
    if missing:
        vectors |= _make(lm, _concepts(missing, loaded, paths), store)
    return vectors


def _concepts(names: Sequence[str], loaded: LoadedVectors, paths: Paths) -> list[Concept]:
    concepts, problems = load_concepts(paths)
    known = {concept.name: concept for concept in concepts}
    for name in names:
        if name in loaded.problems:
            raise LibraryError(
                f"vector {name!r} {loaded.problems[name]}",
                hint=f"`steer-tui vectors show {name}` says where the file is",
            )
        if name not in known:
            broken = [problem.message for problem in problems if problem.path.stem == name]
            if broken:
                raise LibraryError(f"concept {name!r} {broken[0]}")
            raise RecipeError(f"no vector {name!r}", hint=nearest_names(name, [*known, *loaded.vectors]))
    return [known[name] for name in names]


def _make(lm: LanguageModel, concepts: Sequence[Concept], store: VectorStore) -> dict[str, SteeringVector]:
    from steer_tui.engine.extract import extract

    with Progress(f"reading examples of {', '.join(concept.name for concept in concepts)}") as progress:
        made = extract(lm, concepts, on_progress=lambda done, total: progress.show(done / max(total, 1)))
    for vector in made.values():
        store.save(vector)
    return made
