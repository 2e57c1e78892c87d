"""What the engine thread does to bring new vectors into the library: from examples, concepts, vectors and files.

Promises that a vector that gives its place to another one goes to the trash, that a stopped command changes nothing,
and that everything new can be taken back. Knows nothing of screens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from steer_tui.engine.extractchoices import parse_read
from steer_tui.engine.types import ModelInfo
from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import Cancelled, SteerError, UsageError
from steer_tui.library.catalogue import Listed
from steer_tui.library.concept_writer import save_concept
from steer_tui.library.concepts import Concept, load_concepts
from steer_tui.library.entries import read_entry
from steer_tui.library.keeper import Kept
from steer_tui.library.names import check_name
from steer_tui.library.trash import Removed
from steer_tui.session.library_messages import (
    Change,
    CombineVectors,
    CompareVectors,
    ConceptMade,
    CosinesMade,
    ExportVector,
    FilesImported,
    ImportFiles,
    LibraryChanged,
    LibraryProgress,
    LibraryRefused,
    MakeConcept,
    MakeVectors,
    RemoveVectors,
    RestoreVectors,
    ShowTokens,
    TokensShown,
    VectorExported,
)
from steer_tui.session.library_work import Handler, LibraryDesk
from steer_tui.session.messages import Command, ExtractFinished
from steer_tui.session.task import Task
from steer_tui.session.troubles import explain

if TYPE_CHECKING:
    from pathlib import Path

    from steer_tui.engine.vector import SteeringVector

Failure = (Exception, SystemExit)


class LibraryMaking(LibraryDesk):
    """Work that brings vectors in, compares them or gives them away."""

    def handlers(self) -> Mapping[type[Command], Handler]:
        """Return what does each command."""
        return {
            MakeConcept: self._make_concept,
            ShowTokens: self._show_tokens,
            MakeVectors: self._make_vectors,
            CombineVectors: self._combine,
            CompareVectors: self._compare,
            ImportFiles: self._import,
            ExportVector: self._export,
        }

    # From examples

    def _make_concept(self, task: Task, command: MakeConcept) -> None:
        closing = ConceptMade(command.name, None)
        try:
            self._shop.ready()
            concept = command.pairs.as_concept(command.name)
            vectors = self._shop.extract(task, [concept], method=command.method, read=command.read)
            kept = self._keep(vectors, concept)
            listed = self._show(task, vectors)
            found = next(line for line in listed if line.is_for_model and line.entry.path in kept.paths)
            closing = replace(closing, vector=found, change=kept.change(listed))
        except Failure as error:
            if not isinstance(error, Cancelled):
                message, hint = explain(error, "making a concept")
                closing = replace(closing, message=message, hint=hint)
        task.say(ExtractFinished(()))  # the closing event says what was made
        task.end(closing)

    def _show_tokens(self, task: Task, command: ShowTokens) -> None:
        from steer_tui.engine.tokensread import tokens_read

        self._shop.ready()
        concept = command.pairs.as_concept("examples")
        task.end(TokensShown(tokens_read(self._shop.lm, concept, parse_read(command.read)), command.read))

    def _make_vectors(self, task: Task, command: MakeVectors) -> None:
        try:
            _, shelf = self._shop.ready()
            concepts = self._chosen(shelf.chosen, command)
            vectors = self._shop.extract(task, concepts, method=command.method, read=command.read)
            kept = self._keep(vectors)
            listed = self._show(task, vectors)
            task.say(ExtractFinished(()))  # the closing event says what was made
            task.end(LibraryChanged(kept.change(listed)))
        except Failure as error:
            task.say(ExtractFinished(()))
            task.end(LibraryRefused(*explain(error, "making vectors"), is_stopped=isinstance(error, Cancelled)))

    def _chosen(self, choose: Callable[[Sequence[str]], list[Concept]], command: MakeVectors) -> list[Concept]:
        """Return what to make vectors of, under the names that those are to have."""
        if command.names:
            known = {concept.name: concept for concept in load_concepts(self._shop.paths)[0]}
            missing = [name for name in command.names if name not in known]
            if missing:
                raise UsageError(f"there is no concept {missing[0]!r}", hint="`n` makes one")
            concepts = [known[name] for name in command.names]
        else:
            concepts = choose(())
        if not concepts:
            raise UsageError("every concept has its vector", hint="choose all concepts to make them anew")
        return [replace(concept, name=check_name(f"{concept.name}{command.suffix}")) for concept in concepts]

    # From vectors

    def _combine(self, task: Task, command: CombineVectors) -> None:
        from steer_tui.engine.arithmetic import mix, negate, orthogonalise

        name = check_name(command.name)
        terms = [(self._store.load(entry.path), weight) for entry, weight in command.terms]
        if not terms:
            raise UsageError("there is no vector to work with", hint="space marks some")
        if command.operation == "mix":
            made = mix(name, terms)
        elif command.operation == "negate":
            made = negate(name, terms[0][0])
        else:
            made = orthogonalise(name, terms[0][0], [vector for vector, _ in terms[1:]])
        kept = self._keep({name: made}, is_new=True)
        task.end(LibraryChanged(kept.change(self._show(task, (name,)))))

    def _compare(self, task: Task, command: CompareVectors) -> None:
        from steer_tui.engine.arithmetic import cosines

        vectors = []
        for done, entry in enumerate(command.entries):
            if task.is_stopped:
                return task_stopped(task)
            vectors.append(self._store.load(entry.path))
            task.say(LibraryProgress("comparing", done + 1, len(command.entries)))
        task.end(CosinesMade(cosines(vectors)))

    # From and to files

    def _import(self, task: Task, command: ImportFiles) -> None:
        from steer_tui.library.trade import import_files

        results = tuple(
            import_files(
                command.paths,
                self._store,
                model=_made_for(self._info),
                name=command.name,
                producer=command.producer,
                layer_offset=command.layer_offset,
            )
        )
        saved = {path for result in results for path in result.saved}
        change = None
        if saved:
            names = tuple(dict.fromkeys(name for result in results for name in result.names))
            change = _Kept(saved, ()).change(self._show(task, names), verb="imported")
        task.end(FilesImported(results, change))

    def _export(self, task: Task, command: ExportVector) -> None:
        from steer_tui.library.trade import export_recipe

        vector = self._store.load(command.entry.path)
        vectors = {vector.name: vector}
        task.end(VectorExported(export_recipe(vector.name, command.path, vectors, format=command.format)))

    # Keeping

    def _keep(
        self, vectors: Mapping[str, SteeringVector], concept: Concept | None = None, *, is_new: bool = False
    ) -> _Kept:
        """Write vectors to the library; those of the user's own that give their place go to the trash.

        Args:
            vectors: By name.
            concept: The examples that the one vector was made from, to be kept too.
            is_new: Whether a name that is taken is refused.

        Raises:
            SteerError: One could not be kept; what was there is in its place again.
        """
        kept: list[Kept] = []
        try:
            for vector in vectors.values():
                kept.append(self._store.keep(vector, replace=not is_new))
            if concept is not None:
                save_concept(self._shop.paths, concept)
        except SteerError:
            for one in reversed(kept):
                self._store.remove(read_entry(one.path, is_bundled=False))
                if one.earlier is not None:
                    self._store.restore(one.earlier)
            raise
        return _Kept([one.path for one in kept], [one.earlier for one in kept if one.earlier is not None])


class _Kept:
    """New files, and what went to the trash for them."""

    def __init__(self, paths: Iterable[Path], removed: Iterable[Removed]) -> None:
        self.paths = set(paths)
        self._removed = tuple(removed)

    def change(self, listed: Iterable[Listed], verb: str = "made") -> Change:
        """Return it as something that can be taken back."""
        entries = tuple(line.entry for line in listed if line.entry.path in self.paths)
        undo: tuple[Command, ...] = (RemoveVectors(entries, is_undo=True),)
        names = tuple(entry.name for entry in entries)
        words = f"{names[0] if len(names) == 1 else f'{len(names)} vectors'} {verb}"
        if self._removed:
            undo = (*undo, RestoreVectors(self._removed, is_undo=True))
            earlier = "the earlier one is" if len(self._removed) == 1 else f"{len(self._removed)} earlier ones are"
            words += f"; {earlier} in the trash"
        return Change(words, undo, names)


def task_stopped(task: Task) -> None:
    """End a task that someone stopped."""
    task.end(LibraryRefused("stopped", None, is_stopped=True))


def _made_for(info: ModelInfo | None) -> MadeFor | None:
    """Return the model in use as vectors name it."""
    if info is None:
        return None
    return MadeFor(id=info.id, type=info.type, layers=info.layers, width=info.width, fingerprint=info.fingerprint)
