"""A library as a dictionary, the changes it knows, and a look whether a real library agrees with it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch

from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.library.store import VectorStore
from steer_tui.library.verify import verify
from steer_tui.paths import find_paths

NAMES = "abcdef"
LAYERS, WIDTH = 8, 2048
MADE_FOR = MadeFor(id="m", type="t", layers=LAYERS, width=WIDTH, fingerprint="f" * 16)

Held = tuple[int, tuple[str, ...]]
"""A vector's serial number and its tags."""


@dataclass(frozen=True)
class State:
    """What a library and its trash hold."""

    kept: dict[str, Held]
    trash: tuple[Held, ...]


@dataclass(frozen=True)
class Change:
    """One change of a library."""

    kind: str
    name: str
    new: str = ""
    serial: int = 0


def made(name: str, serial: int) -> SteeringVector:
    """Return a vector whose numbers all tell its serial number."""
    layers = {layer: torch.full((WIDTH,), float(serial)) for layer in range(LAYERS)}
    return SteeringVector(name, layers, VectorMeta(name, MADE_FOR, pairs=serial))


def prepared(home: Path) -> VectorStore:
    """Return a library of `a` and `b`, with `c` in its trash."""
    store = VectorStore(find_paths(home))
    for serial, name in enumerate("abc", 1):
        do(store, Change("save", name, serial=serial))
    do(store, Change("remove", "c"))
    return store


def read_state(store: VectorStore) -> State:
    """Return what is there, after making sure that every file is sound and holds what its metadata says."""
    own = [entry for entry in store.list() if not entry.bundled]
    trash = store.trash()
    report = verify([*own, *(removed.entry for removed in trash)])
    assert report.is_clean, [f"{finding.entry.path} {finding.problem}" for finding in report.damaged]
    assert report.sealed == len(own) + len(trash)
    for entry in own:
        assert entry.meta is not None
        loaded = store.load(entry.path)
        assert all(bool((row == entry.meta.pairs).all()) for row in loaded.layers.values()), entry.path
    kept = {entry.name: (entry.meta.pairs, entry.meta.tags) for entry in own if entry.meta}
    gone = tuple(sorted((r.entry.meta.pairs, r.entry.meta.tags) for r in trash if r.entry.meta))
    return State(kept, gone)


def do(store: VectorStore, change: Change) -> None:
    """Make one change."""
    if change.kind == "save":
        store.save(made(change.name, change.serial))
        return
    if change.kind == "restore":
        known = {r.entry.meta.tags: r for r in store.trash() if r.entry.meta and r.entry.meta.pairs == change.serial}
        store.restore(
            next(known[tags] for tags in sorted(known)), change.name
        )  # as `after` has it: a kill may have left one in two states
        return
    entry = next(entry for entry in store.list() if not entry.bundled and entry.name == change.name)
    match change.kind:
        case "rename":
            store.rename(entry, change.new)
        case "remove":
            store.remove(entry)
        case "tag":
            store.edit(entry, tags=[change.new])


def after(state: State, change: Change) -> State:
    """Return what a library holds once a change is made."""
    kept, trash = dict(state.kept), list(state.trash)
    match change.kind:
        case "save":
            trash += [kept[change.name]] if change.name in kept else []
            kept[change.name] = (change.serial, ())
        case "rename":
            kept[change.new] = kept.pop(change.name)
        case "remove":
            trash.append(kept.pop(change.name))
        case "tag":
            kept[change.name] = (kept[change.name][0], (change.new,))
        case "restore":
            found = next(held for held in trash if held[0] == change.serial)
            trash.remove(found)
            kept[change.name] = found
    return State(kept, tuple(sorted(trash)))


def midway(state: State, change: Change) -> State:
    """Return what a kill within a change may leave besides what was there before it and what is there after it."""
    if change.kind != "save" or change.name not in state.kept:
        return state
    return State(state.kept, tuple(sorted((*state.trash, state.kept[change.name]))))


def pick(state: State, serial: int, dice: random.Random) -> Change:
    """Return a change that can be made; saving fills the names, so that what frees them is drawn more often."""
    free = [name for name in NAMES if name not in state.kept]
    choices = [Change("save", dice.choice(NAMES), serial=serial)]
    if state.kept:
        name = dice.choice(sorted(state.kept))
        choices += [Change("remove", name)] * 2 + [Change("tag", name, f"t{serial}")]
        if free:
            choices.append(Change("rename", name, dice.choice(free)))
    if state.trash and free:
        choices += [Change("restore", dice.choice(free), serial=dice.choice(state.trash)[0])] * 2
    return dice.choice(choices)
