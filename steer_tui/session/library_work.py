"""What the engine thread does with vector files: list, describe, remove, restore, verify.

Promises that every change can be taken back, and that the vectors in use follow their files. Knows nothing of screens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from steer_tui.engine.types import ModelInfo
from steer_tui.errors import SteerError
from steer_tui.library.catalogue import Listed
from steer_tui.library.concept_writer import describe_concept
from steer_tui.library.concepts import load_concepts
from steer_tui.library.entries import VectorEntry
from steer_tui.library.trash import Removed
from steer_tui.session.library_messages import (
    Change,
    DescribeVector,
    LibraryChanged,
    LibraryListed,
    LibraryProgress,
    LibraryVerified,
    ListLibrary,
    RemoveVectors,
    RestoreVectors,
    VerifyLibrary,
)
from steer_tui.session.messages import Command, Notice, VectorsChanged
from steer_tui.session.task import Task
from steer_tui.session.workshop import Workshop

if TYPE_CHECKING:
    from steer_tui.library.store import VectorStore

Handler = Callable[[Task, Any], None]


class LibraryDesk:
    """What all work on the library shares."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    @property
    def _store(self) -> VectorStore:
        return cast("VectorStore", self._shop.store)

    @property
    def _info(self) -> ModelInfo | None:
        return None if self._shop.lm is None else self._shop.lm.info

    def _show(self, task: Task, names: Iterable[str] = ()) -> tuple[Listed, ...]:
        """Tell what the library is now; vectors of these names are read anew for the model in use."""
        listed = tuple(self._store.catalogue(self._info))
        shelf = self._shop.shelf
        if shelf is not None and (names := tuple(names)):
            shelf.refresh(listed, names)
            task.say(VectorsChanged(shelf.summaries()))
        task.say(LibraryListed(listed, tuple(self._store.trash())))
        return listed


class LibraryWork(LibraryDesk):
    """Work that makes no vectors."""

    def handlers(self) -> Mapping[type[Command], Handler]:
        """Return what does each command."""
        return {
            ListLibrary: self._list,
            DescribeVector: self._describe,
            RemoveVectors: self._remove,
            RestoreVectors: self._restore,
            VerifyLibrary: self._verify,
        }

    def _list(self, task: Task, command: ListLibrary) -> None:
        listed = tuple(self._store.catalogue(self._info))
        task.end(LibraryListed(listed, tuple(self._store.trash())))

    def _describe(self, task: Task, command: DescribeVector) -> None:
        old = command.entry
        entry = self._store.rename(old, command.name) if command.name != old.name else old
        words = _other_words(entry, command)
        try:
            entry = self._store.edit(entry, **words) if words else entry
        except SteerError:
            if entry is not old:
                self._store.rename(entry, old.name)
            raise
        self._describe_concept(task, old, entry)
        self._show(task, {old.name, entry.name})
        task.end(LibraryChanged(_description(old, entry), command.is_undo))

    def _describe_concept(self, task: Task, old: VectorEntry, new: VectorEntry) -> None:
        """Let the user's examples of a vector follow its name, group and note."""
        meta = new.meta
        if meta is None:
            return
        concepts, _ = load_concepts(self._shop.paths)
        words = (new.name, meta.group, meta.description)
        for concept in concepts:
            is_its = concept.name == old.name and concept.pairs_sha256 == meta.pairs_sha256 and not concept.bundled
            if is_its and words != (concept.name, concept.group, concept.description):
                try:
                    describe_concept(self._shop.paths, concept, *words)
                except SteerError as error:
                    task.say(Notice(f"its examples keep the name {old.name}: {error.message}", error.hint))

    def _remove(self, task: Task, command: RemoveVectors) -> None:
        removed: list[Removed] = []
        try:
            for done, entry in enumerate(command.entries):
                removed.append(self._store.remove(entry))
                if len(command.entries) > 1:
                    task.say(LibraryProgress("removing", done + 1, len(command.entries)))
        finally:
            if removed:
                self._show(task, [each.name for each in removed])
        undo = (RestoreVectors(tuple(removed), is_undo=True),)
        task.end(LibraryChanged(Change(f"{_counted(removed)} in the trash", undo), command.is_undo))

    def _restore(self, task: Task, command: RestoreVectors) -> None:
        restored: list[VectorEntry] = []
        try:
            for removed in command.removed:
                restored.append(self._store.restore(removed, command.name))
        finally:
            if restored:
                self._show(task, [entry.name for entry in restored])
        undo = (RemoveVectors(tuple(restored), is_undo=True),)
        names = tuple(entry.name for entry in restored)
        task.end(LibraryChanged(Change(f"{_counted(restored)} back in the library", undo, names), command.is_undo))

    def _verify(self, task: Task, command: VerifyLibrary) -> None:
        def tell(done: int, total: int) -> None:
            task.say(LibraryProgress("verifying", done, total))

        report = self._store.verify(on_progress=tell, should_stop=lambda: task.is_stopped)
        task.end(LibraryVerified(report, task.is_stopped))


def _other_words(entry: VectorEntry, command: DescribeVector) -> dict[str, Any]:
    """Return what of group, note and tags is to be written; nothing into a file that does not parse."""
    meta = entry.meta
    if meta is None:
        return {}
    wanted = {"group": command.group, "description": command.description, "tags": command.tags}
    return {key: value for key, value in wanted.items() if getattr(meta, key) != value}


def _description(old: VectorEntry, new: VectorEntry) -> Change:
    """Return what describing a vector changed, and how to take it back."""
    meta = old.meta
    undo = (
        DescribeVector(
            new,
            old.name,
            meta.group if meta else "",
            meta.description if meta else "",
            meta.tags if meta else (),
            is_undo=True,
        ),
    )
    if new.name != old.name:
        return Change(f"{old.name} is now {new.name}", undo, (new.name,), (old.name, new.name))
    return Change(f"{new.name} is described anew", undo, (new.name,))


def _counted(things: list[Any]) -> str:
    """Return one thing's name with its verb, or how many there are."""
    return f"{things[0].name} is" if len(things) == 1 else f"{len(things)} vectors are"
