"""The vectors that a recipe names, for a loaded model: from the library, else made from concepts and kept there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from steer_tui.commands.console import Progress, note
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from steer_tui.session.shelf import Shelf

if TYPE_CHECKING:
    from steer_tui.engine.model import LanguageModel
    from steer_tui.engine.vector import SteeringVector


def ready_vectors(lm: LanguageModel, names: Sequence[str], paths: Paths) -> Mapping[str, SteeringVector]:
    """Return the model's vectors by name, those of `names` among them.

    Raises:
        RecipeError: A name is neither a vector of this model nor a concept.
        LibraryError: Its file is damaged.
    """
    shelf = Shelf(paths, VectorStore(paths), lm.info)
    missing = shelf.missing(names)
    if missing:
        from steer_tui.engine.extract import extract

        with Progress(f"reading examples of {', '.join(concept.name for concept in missing)}") as progress:
            made = extract(lm, missing, on_progress=lambda done, total: progress.show(done / max(total, 1)))
        trouble = shelf.keep(made)
        if trouble is not None:
            note(f"warning: the new vectors could not be kept: {trouble.message}")
    for summary in shelf.summaries():
        if summary.name in names and summary.warning is not None:
            note(f"warning: vector {summary.name!r} {summary.warning}")
    return shelf.vectors
