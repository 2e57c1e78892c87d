"""Takes foreign vector files into the library and writes vectors out, telling each file's fate in one line.

Promises that a bad file costs that file only, that nothing in the library is written over, and that nothing outside it
is written but the file an export names. torch is imported when files are read or written, not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from steer_tui.engine.recipe import format_layers, parse_recipe
from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import LibraryError, SteerError, UsageError
from steer_tui.library.formats.catalogue import PRODUCERS, Question
from steer_tui.library.names import check_name, slug
from steer_tui.library.store import VectorStore
from steer_tui.paths import bundled
from steer_tui.text import one_line

if TYPE_CHECKING:
    from steer_tui.engine.vector import SteeringVector
    from steer_tui.library.formats.draft import Asked, Draft

_LAYER_FILES = ("caa", "easyedit", "unknown")
"""Producers that write one file for each layer."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of one file."""

    path: Path
    line: str
    """All that matters, in one line, with the file's name."""
    names: tuple[str, ...] = ()
    """The vectors it is in now; several files may share one."""
    saved: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    """One line each: where it comes from, what was left out."""
    error: str | None = None
    """Why nothing was kept; None where something was, and where a question is open."""
    hint: str | None = None
    question: Question | None = None
    """What must be known first: nothing was kept."""

    @property
    def is_kept(self) -> bool:
        """Whether the library has something of it."""
        return bool(self.saved)

    def to_json(self) -> dict[str, object]:
        """Return one entry of `vectors import --json`."""
        question = self.question
        return {
            "file": str(self.path),
            "names": list(self.names),
            "saved": [str(path) for path in self.saved],
            "notes": list(self.notes),
            "error": self.error,
            "hint": self.hint,
            "question": None
            if question is None
            else {
                "text": question.text,
                "kind": question.kind,
                "choices": [entry.producer for entry in question.choices],
            },
        }


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written."""

    path: Path
    format: str
    layers: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def line(self) -> str:
        """All that matters, in one line."""
        return one_line(f"{self.path}: {self.format}, {_blocks(self.layers)}")

    def to_json(self) -> dict[str, object]:
        """Return the object that `vectors export --json` prints."""
        return {
            "version": 1,
            "file": str(self.path),
            "format": self.format,
            "layers": list(self.layers),
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class _Job:
    """A vector to be: one draft, or several files that hold a layer each."""

    draft: Draft
    paths: list[Path]
    place: int
    """Number among the vectors of one file; 0 where it is the only one."""


def import_files(
    paths: Sequence[Path],
    store: VectorStore,
    *,
    model: MadeFor | None = None,
    insist: bool = False,
    name: str | None = None,
    producer: str | None = None,
    layer_offset: int | None = None,
) -> list[ImportResult]:
    """Read files and keep their vectors; return what became of each file, in order.

    Args:
        paths: Of any known format. Files that hold one layer each of one vector become that vector.
        store: Where they are kept.
        model: What the vectors are meant for; None keeps each for a model of its own words and sizes.
        insist: True refuses a vector that does not fit `model`, where False keeps it for another model.
        name: What to call the vector; None takes each file's own.
        producer: Who wrote the files; None tells it from them.
        layer_offset: What to add to the files' layer numbers; None takes the producer's custom.

    Raises:
        UsageError: The name cannot be one, there is no such producer, or `name` is given for several vectors.
    """
    from steer_tui.library.formats.registry import ask

    checked = None if name is None else check_name(name)
    asked = ask(producer, layer_offset, model, insist)
    results: dict[Path, ImportResult] = {}
    jobs = _read_all(paths, checked, store, asked, results)
    _require_one(jobs, checked)
    _keep_all(jobs, checked, store, asked, results)
    return [results[path] for path in dict.fromkeys(paths)]


def _read_all(
    paths: Sequence[Path], name: str | None, store: VectorStore, asked: Asked, results: dict[Path, ImportResult]
) -> list[_Job]:
    """Read the files and return the vectors to be; those to which no other file can belong are kept at once."""
    jobs: list[_Job] = []
    for path in dict.fromkeys(paths):
        try:
            for job in _read(path, asked):
                if name is None and not _is_layer_file(job.draft):
                    _keep_all([job], None, store, asked, results)
                else:
                    _gather(jobs, job, is_named=name is not None)
        except SteerError as error:
            results[path] = _refused(path, error)
    return jobs


def _require_one(jobs: Sequence[_Job], name: str | None) -> None:
    """Refuse one name for the vectors of several files."""
    if name is not None and len(jobs) > 1 and len({path for job in jobs for path in job.paths}) > 1:
        raise UsageError(f"these files hold {len(jobs)} vectors, and one name", hint="import them one by one")


def _read(path: Path, asked: Asked) -> list[_Job]:
    """Return the vectors to be of a file."""
    from steer_tui.library.formats.registry import read_drafts

    drafts = read_drafts(path, asked)
    return [_Job(draft, [path], place if len(drafts) > 1 else 0) for place, draft in enumerate(drafts, 1)]


def _is_layer_file(draft: Draft) -> bool:
    """Say whether a draft may be one layer of a vector that several files hold."""
    return draft.producer in _LAYER_FILES and len(draft.rows) == 1 and draft.question is None


def _gather(jobs: list[_Job], new: _Job, *, is_named: bool) -> None:
    """Add a vector to be to the others, or its layer to the one that it belongs to."""
    draft = new.draft
    alike = (job for job in jobs if _is_layer_file(draft) and job.draft.producer == draft.producer)
    other = next((job for job in alike if is_named or job.draft.name == draft.name), None)
    if other is None or other.draft.question is not None:
        jobs.append(new)
        return
    (layer,) = draft.rows
    if layer in other.draft.rows:
        raise LibraryError(f"holds layer {layer} of {other.draft.name}, as {other.paths[0].name} does")
    other.draft = replace(other.draft, rows={**other.draft.rows, **draft.rows}, best=())
    other.paths += new.paths


def _keep_all(
    jobs: Sequence[_Job], name: str | None, store: VectorStore, asked: Asked, results: dict[Path, ImportResult]
) -> None:
    """Save what is to be kept, and add what became of the files to `results`."""
    for job in jobs:
        for result in _keep(job, name, store, asked):
            results[result.path] = _joined(results.get(result.path), result)


def _keep(job: _Job, name: str | None, store: VectorStore, asked: Asked) -> list[ImportResult]:
    """Make a vector and save it; return what became of the files it came from."""
    from steer_tui.library.formats.draft import settle

    draft, first = job.draft, job.paths[0]
    if draft.question is not None:
        line = one_line(f"{first.name}: {draft.question.text}")
        return [ImportResult(first, line, notes=tuple(draft.notes), hint=draft.question.hint, question=draft.question)]
    if name is not None and job.place:
        name = f"{name}-{job.place}"
    file = first.name if len(job.paths) == 1 else f"{first.name} and {len(job.paths) - 1} more"
    try:
        vector, notes = settle(draft, check_name(name or slug(draft.name)), file, asked)
    except SteerError as error:
        return [_refused(path, error) for path in job.paths]
    try:
        saved = store.save(vector, replace=False)
        if (bundled("vectors") / saved.parent.name / saved.name).is_file():
            notes.append(f"it wins over the built-in {vector.name}, until it is removed")
    except SteerError as error:  # the library's words are about itself, not about the file
        return [_refused(path, error, ":") for path in job.paths]
    return [_kept(path, vector, saved, notes) for path in job.paths]


def _kept(path: Path, vector: SteeringVector, saved: Path, notes: Sequence[str]) -> ImportResult:
    writer = next((entry.title for entry in PRODUCERS if entry.id == (vector.meta.source or {}).get("producer")), "")
    origin = f", from {writer}" if writer else ""
    what = f"kept as {vector.name} for {vector.meta.model['id']}, {_blocks(tuple(vector.layers))}{origin}"
    return ImportResult(path, one_line(f"{path.name}: {what}"), (vector.name,), (saved,), tuple(map(one_line, notes)))


def _refused(path: Path, error: SteerError, colon: str = "") -> ImportResult:
    hint = None if error.hint is None else one_line(error.hint)
    message = one_line(error.message)
    return ImportResult(path, one_line(f"{path.name}{colon} {message}"), error=message, hint=hint)


def _joined(first: ImportResult | None, second: ImportResult) -> ImportResult:
    """Return the fate of a file that holds several vectors."""
    if first is None:
        return second
    return replace(
        first if first.error is not None or first.question is not None else second,
        names=first.names + second.names,
        saved=first.saved + second.saved,
        notes=tuple(dict.fromkeys(first.notes + second.notes)),
        line=f"{first.line}; {second.line.removeprefix(one_line(second.path.name)).lstrip(': ')}",
    )


def _blocks(layers: tuple[int, ...]) -> str:
    return f"block{'s' if len(layers) != 1 else ''} {format_layers(tuple(sorted(layers)))}"


def export_recipe(
    text: str, path: Path, vectors: Mapping[str, SteeringVector], *, format: str | None = None
) -> ExportResult:
    """Write a vector, or what a recipe does, to a file of another tool's format.

    Args:
        text: A vector's name, for all its blocks; or a recipe, summed up where the format holds one vector.
        path: Where to, over what is there; its ending names the format.
        vectors: What `text` may name.
        format: One of `formats.catalogue.FORMATS`; None goes by the ending.

    Raises:
        UsageError: There is no such format, or it cannot hold what the recipe does.
        RecipeError, ShapeMismatch: The recipe does not parse, or names a vector that is not there or does not fit.
        LibraryError: The file cannot be written.
    """
    from steer_tui.library.formats.registry import write_recipe, write_vector

    name = text.strip()
    if name in vectors and (format != "easysteer"):
        written = write_vector(vectors[name], path, format=format)
    else:
        written = write_recipe(parse_recipe(text), vectors, path, format=format)
    return ExportResult(written.path, written.format, written.layers, written.notes)
