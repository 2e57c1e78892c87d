"""The whole library as seen from the model in use: its own vectors first, those of other models below, with reasons.

Promises that every file is shown, whatever it holds. Reads no numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from steer_tui.engine.types import ModelInfo
from steer_tui.library.entries import Match, VectorEntry, match_entry

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


def by_preference(match: Match) -> tuple[bool, bool, bool]:
    """Return a sort key: of several vectors of a name, the first one is used."""
    return match.problem is not None, match.entry.bundled, match.warning is not None


def catalogue(entries: Iterable[VectorEntry], info: ModelInfo | None) -> list[Listed]:
    """Return every entry, those of the model in use first by group and name, then by model and name."""
    entries = list(entries)
    matches = {} if info is None else {entry.path: found for entry in entries if (found := match_entry(entry, info))}
    used = {match.entry.name: match for match in sorted(matches.values(), key=by_preference, reverse=True)}
    return sorted((_listed(entry, info, matches, used) for entry in entries), key=_place)


def _listed(entry: VectorEntry, info: ModelInfo | None, matches: dict[Path, Match], used: dict[str, Match]) -> Listed:
    match = matches.get(entry.path)
    if match is None:
        problem = entry.problem
        if problem is None and info is not None:
            problem = made_for_another(entry)
        return Listed(entry, False, problem)
    listed = Listed(entry, True, match.problem, match.warning)
    winner = used[entry.name]
    if winner is not match:
        which = "the built-in one" if winner.entry.bundled else "your own" if entry.bundled else "another of your own"
        return replace(listed, note=f"{which} of this name is used")
    hides = any(other.entry.bundled and other.entry.name == entry.name for other in matches.values())
    if hides and not entry.bundled and match.problem is None:
        return replace(listed, note="wins over the built-in one of this name")
    return listed


def made_for_another(entry: VectorEntry) -> str:
    """Return which other model an entry that parses was made for."""
    assert entry.meta is not None
    model = entry.meta.model
    return f"was made for {model['id']} ({model['layers']} layers, width {model['width']})"


def _place(listed: Listed) -> Place:
    entry = listed.entry
    meta = entry.meta
    model = meta.model["id"] if meta else entry.path.parent.name
    group = meta.group.casefold() if meta else ""
    other = "" if listed.is_for_model else model.casefold()
    return not listed.is_for_model, other, meta is None, group, entry.name.casefold(), entry.name, entry.bundled
