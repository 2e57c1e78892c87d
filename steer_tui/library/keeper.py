"""Every change of the user's library: keep, rename, edit, remove, restore, one writer at a time.

Promises that a kill at any instant leaves each vector whole under its old name or its new one, that an error leaves
everything as it was, and that nothing is ever deleted. Needs no torch; knows nothing of what the numbers mean.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from steer_tui.engine.recipe import Recipe, Term, parse_recipe
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import LibraryError, RecipeError
from steer_tui.files import TEMPORARY_SUFFIX, flush_folder, write_atomic, write_error, write_flushed
from steer_tui.library.entries import SUFFIX, VectorEntry, folder_entries, read_entry, visible
from steer_tui.library.header import header_of, read_file
from steer_tui.library.moving import is_taken, make_folder, move
from steer_tui.library.names import check_name, slug
from steer_tui.library.seal import with_metadata
from steer_tui.library.trash import Removed, place_for, read_removed
from steer_tui.text import one_line

LOCK_SECONDS = 10.0
"""How long a change waits for another program that writes to the same library."""
_POLL_SECONDS = 0.01
"""Short, or a program that makes one change after the other would hardly let another in."""
_MARK_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """A vector's new file, and what it took the place of."""

    path: Path
    earlier: Removed | None
    """The vector, or the file that was none, that had this name until now; None where the name was free."""


class Keeper:
    """Writes below two folders, that of the vectors and that of the trash."""

    def __init__(self, root: Path, trash: Path) -> None:
        self._root = root
        self._trash = trash

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the library's write lock; what a killed writer left behind is cleared away."""
        from filelock import FileLock, Timeout

        try:
            make_folder(self._root)
            with FileLock(self._root / ".lock").acquire(timeout=LOCK_SECONDS, poll_interval=_POLL_SECONDS):
                for folder in (self._root, self._trash):
                    for leftover in folder.glob(f"*/.*{TEMPORARY_SUFFIX}"):
                        leftover.unlink(missing_ok=True)
                yield
        except Timeout as error:
            raise LibraryError(
                f"another program has been writing to the library for {LOCK_SECONDS:.0f} s", hint="try again"
            ) from error
        except NotImplementedError as error:
            raise LibraryError(
                f"the disk of {one_line(str(self._root))} has no file locks, without which two programs could harm it",
                hint="keep the data elsewhere with --data-dir",
            ) from error
        except OSError as error:
            raise write_error(self._root, error) from error

    def keep(self, model: MadeFor, name: str, data: bytes, *, replace: bool) -> Kept:
        """Write a vector's file; one of the same name for the same model, if `replace` lets it, goes to the trash.

        It lies in both places until the new one is whole, so that no kill leaves the name without a vector.
        """
        with self._writing():
            path = self._folder_for(model, name) / f"{name}{SUFFIX}"
            _refuse_other_case(path)
            make_folder(path.parent)
            if not is_taken(path):
                write_atomic(path, data)
                return Kept(path, None)
            if not replace:
                raise _taken(name)
            return self._keep_over(path, data)

    def _keep_over(self, path: Path, data: bytes) -> Kept:
        """Write a file in the place of another one, which is in the trash before it can be harmed."""
        there = read_entry(path, is_bundled=False)
        place = place_for(self._trash, there)
        if there.problem is not None:  # it may be of any size, or a folder
            move(path, place)
            try:
                write_atomic(path, data)
            except BaseException:
                if not is_taken(path):
                    move(place, path)
                raise
            return Kept(path, read_removed(place))
        old = read_file(path)
        try:
            make_folder(place.parent)
            write_atomic(place, old)
            write_atomic(path, data)
        except BaseException:
            if read_file(path) == old:
                place.unlink(missing_ok=True)
            raise
        return Kept(path, read_removed(place))

    def rename(self, entry: VectorEntry, new: str) -> VectorEntry:
        """Give a vector another name; its measured recipe, if it has one, follows."""
        name = check_name(new)
        self._require_own(entry)
        with self._writing():
            _require_there(entry)
            target = entry.path.with_name(f"{name}{SUFFIX}")
            if target != entry.path:
                _refuse_taken(target, entry.path)
                self._move_renamed(entry.path, target, entry.name)
        return read_entry(target, is_bundled=False)

    def edit(
        self, entry: VectorEntry, group: str | None, description: str | None, tags: tuple[str, ...] | None
    ) -> VectorEntry:
        """Write other words about a vector; None leaves what there is."""
        self._require_own(entry)
        with self._writing():
            _require_there(entry)
            data = _read_sound(entry)
            meta = header_of(data).meta
            meta = replace(
                meta,
                name=entry.name,
                group=meta.group if group is None else group,
                description=meta.description if description is None else description,
                tags=meta.tags if tags is None else tags,
            )
            write_atomic(entry.path, with_metadata(data, meta))
        return read_entry(entry.path, is_bundled=False)

    def remove(self, entry: VectorEntry) -> Removed:
        """Move a vector to the trash."""
        self._require_own(entry)
        with self._writing():
            _require_there(entry)
            place = place_for(self._trash, entry)
            move(entry.path, place)
        return read_removed(place)

    def restore(self, removed: Removed, name: str | None) -> VectorEntry:
        """Move a vector from the trash back to its model's folder, under `name` if that is given."""
        wanted = check_name(removed.name if name is None else name)
        with self._writing():
            if not is_taken(removed.path):
                raise LibraryError(f"{removed.name!r} is no longer in the trash", hint="it may have been restored")
            meta = removed.entry.meta
            folder = self._root / removed.folder if meta is None else self._folder_for(meta.model, wanted)
            target = folder / f"{wanted}{SUFFIX}"
            _refuse_taken(target)
            make_folder(folder)
            self._move_renamed(removed.path, target, removed.name)
        return read_entry(target, is_bundled=False)

    def _move_renamed(self, source: Path, target: Path, old: str) -> None:
        """Move a file, then put metadata with the new name in its place; a damaged one is moved as it is."""
        name = target.name.removesuffix(SUFFIX)
        try:
            data = read_file(source)
            data = with_metadata(data, _renamed(header_of(data).meta, old, name))
        except LibraryError:
            move(source, target)
            return
        if name == old or source.is_symlink():
            move(source, target)
            return
        # Written before anything moves, so that a full disk stops it here; the file's own name is what counts, so
        # that between the two renames the vector is whole under its new name already.
        temporary = target.with_name(f".{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
        try:
            write_flushed(temporary, data)
            move(source, target)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(target.parent)

    def _require_own(self, entry: VectorEntry) -> None:
        if entry.bundled:
            raise LibraryError(
                f"vector {entry.name!r} is built in and stays as it is",
                hint=f"`steer-tui vectors mix NEW {entry.name}` makes a copy of your own",
            )
        if Path(os.path.abspath(entry.path)).parent.parent != self._root:
            raise LibraryError(f"{one_line(str(entry.path))} is not in the library", hint="import it first")

    def _folder_for(self, model: MadeFor, name: str) -> Path:
        """Return a model's folder; two models with one name get one each, so that neither overwrites the other's."""
        plain = self._root / slug(model["id"])
        marked = self._root / f"{plain.name}-{slug(model['fingerprint'])[:_MARK_LENGTH]}"
        if marked.is_dir():
            return marked
        there = read_entry(plain / f"{name}{SUFFIX}", is_bundled=False)
        if there.meta is not None:
            return plain if there.meta.model["fingerprint"] == model["fingerprint"] else marked
        is_owned = False
        for entry in folder_entries(plain, is_bundled=False):
            if entry.meta is not None:
                if entry.meta.model["fingerprint"] == model["fingerprint"]:
                    return plain
                is_owned = True
        return marked if is_owned else plain


def _require_there(entry: VectorEntry) -> None:
    if not is_taken(entry.path):
        raise LibraryError(f"vector {entry.name!r} is gone: it was renamed or removed meanwhile", hint="list again")


def _read_sound(entry: VectorEntry) -> bytes:
    """Return the bytes of a vector's file, which does parse."""
    try:
        data = read_file(entry.path)
        header_of(data)
    except LibraryError as error:
        raise LibraryError(f"vector {entry.name!r} {error.message}", hint=error.hint) from error
    return data


def _refuse_taken(target: Path, source: Path | None = None) -> None:
    """Refuse a name that another file has; `source` is the file that is to get it."""
    is_itself = source is not None and source.exists() and target.exists() and target.samefile(source)
    if is_taken(target) and not is_itself:
        raise _taken(target.name.removesuffix(SUFFIX))
    _refuse_other_case(target, source)


def _taken(name: str) -> LibraryError:
    return LibraryError(f"there is a vector {name!r} already", hint="choose another name, or remove that one first")


def _refuse_other_case(path: Path, besides: Path | None = None) -> None:
    """Keep names apart that are one file on a system which ignores case."""
    name = path.name.removesuffix(SUFFIX)
    for found in visible(path.parent):
        other = found.name.removesuffix(SUFFIX)
        if other != name and other.casefold() == name.casefold() and found != besides:
            raise LibraryError(f"{name!r} differs from {one_line(other)!r} by case only", hint="choose another name")


def _renamed(meta: VectorMeta, old: str, new: str) -> VectorMeta:
    """Return metadata under another name, its own recipe along with it."""
    recipe = meta.default_recipe
    if recipe is not None:
        try:
            recipe = str(Recipe(tuple(_renamed_term(term, old, new) for term in parse_recipe(recipe).terms)))
        except RecipeError:
            return replace(meta, name=new)
    return replace(meta, name=new, default_recipe=recipe)


def _renamed_term(term: Term, old: str, new: str) -> Term:
    gate = term.gate if term.gate is None or term.gate.name != old else replace(term.gate, name=new)
    return replace(term, name=new if term.name == old else term.name, gate=gate)
