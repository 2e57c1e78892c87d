"""The whole library as seen from the model in use: its own vectors first, those of other models below, with reasons.

Promises that every file is shown, whatever it holds. Reads no numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steer_tui.engine.types import ModelInfo
from steer_tui.library.entries import Match, VectorEntry, match_entry
from steer_tui.text import one_line

Place = tuple[bool, str, bool, str, str, str, bool]


@dataclass(frozen=True, slots=True)
class Listed:
    """A vector file as seen from the model in use."""

    entry: VectorEntry
    is_for_model: bool
    """Made for the model in use; False where no model is."""
    problem: str | None = None
    """Why it cannot steer the model in use, a sentence part; None where it can, or no model is in use."""
    warning: str | None = None
    """Why it may not do what it promises; None where it was made for these very weights."""
    note: str | None = None
    """Which of several vectors of this name is used; None where there is one only."""

    @property
    def is_usable(self) -> bool:
        """Whether a recipe for the model in use may name it."""
        return self.is_for_model and self.problem is None


def by_preference(match: Match | Listed) -> tuple[bool, bool, bool]:
    """Return a sort key: of several vectors of a name, the first one is used."""
    return match.problem is not None, match.entry.bundled, match.warning is not None


def catalogue(entries: Iterable[VectorEntry], info: ModelInfo | None) -> list[Listed]:
    """Return every entry, those of the model in use first by group and name, then by model and name."""
    entries = list(entries)
    matches = [_match(entry, info) for entry in entries]
    rivals: dict[tuple[str, str], list[Match]] = {}
    for match, is_for_model in matches:
        rivals.setdefault(_rivalry(match.entry, is_for_model), []).append(match)
    for group in rivals.values():
        group.sort(key=by_preference)
    listed = [
        Listed(
            match.entry,
            is_for_model,
            match.problem,
            match.warning,
            _note(match, rivals[_rivalry(match.entry, is_for_model)]),
        )
        for match, is_for_model in matches
    ]
    return sorted(listed, key=_place)


def _match(entry: VectorEntry, info: ModelInfo | None) -> tuple[Match, bool]:
    """Return how an entry fits the model in use, and whether it was made for it."""
    if info is None:
        return Match(entry, problem=entry.problem), False
    match = match_entry(entry, info)
    if match is not None:
        return match, True
    return Match(entry, problem=entry.problem or made_for_another(entry)), False


def _rivalry(entry: VectorEntry, is_for_model: bool) -> tuple[str, str]:
    """Return what only one vector can be: a name for a model. The model in use has the empty id here."""
    model = entry.known.model["id"] if entry.known else one_line(entry.path.parent.name)
    return "" if is_for_model else model, entry.name


def _note(match: Match, rivals: Sequence[Match]) -> str | None:
    """Return what to say of a vector that shares its name; `rivals` begin with the one that is used."""
    used = rivals[0]
    if len(rivals) == 1:
        return None
    if match is not used:
        which = "the built-in one" if used.entry.bundled else "your own" if match.entry.bundled else "another one"
        return f"{which} of this name is used"
    hides = not match.entry.bundled and any(rival.entry.bundled for rival in rivals)
    return "wins over the built-in one of this name" if hides else None


def made_for_another(entry: VectorEntry) -> str:
    """Return which other model an entry that parses was made for."""
    assert entry.known is not None
    model = entry.known.model
    return f"was made for {model['id']} ({model['layers']} layers, width {model['width']})"


def _place(listed: Listed) -> Place:
    entry = listed.entry
    meta = entry.known
    model = meta.model["id"] if meta else entry.path.parent.name
    group = meta.group.casefold() if meta else ""
    other = "" if listed.is_for_model else model.casefold()
    return not listed.is_for_model, other, meta is None, group, entry.name.casefold(), entry.name, entry.bundled
