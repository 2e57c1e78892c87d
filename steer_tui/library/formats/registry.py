"""Reads a vector file of any known format, by what is in it; writes one of any, by its ending.

Promises that a file which is no vector is refused in one line, that nothing in it is run, and that only the named file
is written. Knows nothing of the library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from steer_tui.engine.extractchoices import BLOCK_OUT
from steer_tui.engine.recipe import Recipe
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor
from steer_tui.errors import LibraryError, UsageError
from steer_tui.files import write_atomic
from steer_tui.library.formats.catalogue import Question, format_for, producer_named, require_kind
from steer_tui.library.formats.draft import Asked, Draft, settle
from steer_tui.library.formats.flatten import flatten
from steer_tui.library.formats.limits import ForeignFile, read_foreign
from steer_tui.library.names import check_name, slug

MAX_OFFSET = 9999
OWN = "steer-tui"

Written = tuple[bytes, tuple[int, ...], list[str]]

_STRANGERS = (
    (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19",
        "is in torch's old format; load it where you trust it and save it anew",
    ),
    (b"\x80", "is a pickle, which could run anything; nothing in it was run"),
    (b"\x1f\x8b", "is a gzip archive; unpack it first"),
    (b"\x93NUMPY", "is a numpy array; save it as a tensor with torch.save"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it first"),
    (b"Rar!", "is a rar archive; unpack it first"),
    (b"\x7fELF", "is a program"),
)


@dataclass(frozen=True)
class Imported:
    """What a file gave."""

    vectors: tuple[SteeringVector, ...]
    """Empty where there is a question."""
    notes: tuple[str, ...]
    """One line each: where it comes from, what was left out."""
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    format: str
    layers: tuple[int, ...]
    notes: tuple[str, ...]


def read_vectors(
    path: Path,
    *,
    name: str | None = None,
    producer: str | None = None,
    layer_offset: int | None = None,
    model: MadeFor | None = None,
    insist: bool = False,
) -> Imported:
    """Return the vectors in the file at `path`, float32, by block.

    Args:
        path: Of any known format; the ending does not matter.
        name: Of the vector; several in one file get it with a number. None takes the file's.
        producer: Who wrote it, one of `catalogue.PRODUCERS`; None tells it from the file.
        layer_offset: What to add to the file's layer numbers; None takes the producer's custom.
        model: What the vectors are meant for; None makes one of the file's own words and sizes.
        insist: True refuses what does not fit `model`, where False lets it be a vector of another model.

    Raises:
        LibraryError: It cannot be read, is no vector, or does not fit; the message follows the file's name.
        UsageError: The name cannot be one, or there is no such producer.
    """
    asked = ask(producer, layer_offset, model, insist)
    checked = None if name is None else check_name(name)
    drafts = read_drafts(path, asked)
    question = next((draft.question for draft in drafts if draft.question is not None), None)
    if question is not None:
        return Imported((), tuple(drafts[0].notes), question)
    vectors: list[SteeringVector] = []
    notes: list[str] = []
    for number, draft in enumerate(drafts, 1):
        given = checked if checked is None or len(drafts) == 1 else f"{checked}-{number}"
        vector, said = settle(draft, given or slug(draft.name), path.name, asked)
        vectors.append(vector)
        notes += [note for note in said if note not in notes]
    return Imported(tuple(vectors), tuple(notes))


def ask(producer: str | None, layer_offset: int | None, model: MadeFor | None, insist: bool) -> Asked:
    """Return what a caller says of an import, checked.

    Raises:
        UsageError: There is no such producer, or the offset is absurd.
    """
    if layer_offset is not None and abs(layer_offset) > MAX_OFFSET:
        raise UsageError(f"a layer offset of {layer_offset} is beyond any model", hint="it is mostly 0 or -1")
    return Asked(None if producer is None else producer_named(producer).id, layer_offset, model, insist)


def read_drafts(path: Path, asked: Asked) -> list[Draft]:
    """Return what the file at `path` holds, not yet as vectors of a model.

    Raises:
        LibraryError: It cannot be read, or is no vector; the message follows the file's name.
    """
    try:
        return _read(read_foreign(path), asked)
    except MemoryError as error:
        raise LibraryError("needs more memory than there is") from error


def _read(file: ForeignFile, asked: Asked) -> list[Draft]:
    """Return what a file holds, by its first bytes."""
    from steer_tui.library.formats.ggufbytes import MAGIC as GGUF
    from steer_tui.library.formats.safetensorsfile import is_safetensors
    from steer_tui.library.formats.torcharchive import MAGIC as ZIP

    data = file.data
    if data.startswith(GGUF):
        from steer_tui.library.formats.gguf import read_gguf

        require_kind(asked.producer, "gguf")
        return read_gguf(file, asked)
    if data.startswith(ZIP):
        from steer_tui.library.formats.pt import read_pt

        require_kind(asked.producer, "pt")
        return read_pt(file, asked)
    if is_safetensors(data):
        require_kind(asked.producer, "safetensors")
        return _read_safetensors(file)
    if data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        require_kind(asked.producer, "json")
        return _read_json(file, asked)
    for begins, what in _STRANGERS:
        if data.startswith(begins):
            raise LibraryError(what)
    raise LibraryError("is no vector file this program knows")


def _read_safetensors(file: ForeignFile) -> list[Draft]:
    from steer_tui.library.formats.own import read_own
    from steer_tui.library.formats.safetensorsfile import load_safetensors
    from steer_tui.library.formats.steeringlite import CONFIG, read_steering_lite
    from steer_tui.library.header import METADATA_KEY

    metadata, tensors = load_safetensors(file.data)
    if METADATA_KEY in metadata:
        return read_own(file, metadata, tensors)
    if CONFIG in metadata:
        return read_steering_lite(file, metadata, tensors)
    raise LibraryError("is a safetensors file, but of no vector this program knows", hint="is it a model?")


def _read_json(file: ForeignFile, asked: Asked) -> list[Draft]:
    from steer_tui.library.formats.jsontext import parse_json
    from steer_tui.library.formats.latents import is_latents, read_latents
    from steer_tui.library.formats.svec import is_svec, read_svec

    value = parse_json(file.data)
    if is_svec(value):
        return read_svec(file, value, asked)
    if is_latents(value):
        return read_latents(file, value, asked)
    if "vectors" in value:
        raise LibraryError("is an EasySteer request", hint="import the vector files that it names")
    raise LibraryError("is JSON, but of no vector this program knows")


def write_vector(vector: SteeringVector, path: Path, *, format: str | None = None) -> Exported:
    """Write a vector, all its blocks where the format holds them, over what is at `path`.

    Args:
        vector: What to write.
        path: Where to; its ending names the format.
        format: One of `catalogue.FORMATS`; None goes by the ending.

    Raises:
        UsageError: There is no such format, or it cannot hold the vector.
        LibraryError: The file cannot be written.
    """
    chosen = format_for(path, format).id
    if chosen == "easysteer":
        return write_recipe(_as_recipe(vector), {vector.name: vector}, path, format=chosen)
    if chosen != OWN:
        _require_block_outputs((vector,), chosen)
    return _write(path, chosen, _writer(chosen)(vector))


def _as_recipe(vector: SteeringVector) -> Recipe:
    from steer_tui.engine.recipe import Term

    return Recipe((Term(vector.name, layers=tuple(vector.layers)),))


def write_recipe(
    recipe: Recipe, vectors: Mapping[str, SteeringVector], path: Path, *, format: str | None = None
) -> Exported:
    """Write a recipe: as it is where the format holds recipes, as the one vector it adds elsewhere.

    Raises:
        UsageError, LibraryError: As `write_vector`; or the format cannot hold what the recipe does.
        RecipeError, ShapeMismatch: It names a vector that is not there or does not fit the others.
    """
    chosen = format_for(path, format).id
    _require_block_outputs([vectors[name] for name in recipe.names if name in vectors], chosen)
    if chosen == "easysteer":
        from steer_tui.library.formats.easysteer import write_easysteer

        return _write(path, chosen, write_easysteer(recipe, vectors))
    return _write(path, chosen, _writer(chosen)(flatten(recipe, vectors)))


def _require_block_outputs(vectors: Iterable[SteeringVector], format: str) -> None:
    for vector in vectors:
        if vector.meta.site != BLOCK_OUT:
            raise UsageError(
                f"{vector.name} acts at {vector.meta.site}; {format} knows block outputs only",
                hint="export it as .safetensors, or extract it with --site block_out",
            )


def _write(path: Path, format: str, written: Written) -> Exported:
    if os.path.isdir(path):
        raise LibraryError(f"{path} is a folder", hint="name a file in it")
    data, layers, notes = written
    write_atomic(path, data)
    return Exported(path, format, layers, tuple(notes))


def _writer(format: str) -> Callable[[SteeringVector], Written]:
    from steer_tui.library.formats import baretensor, gguf, latents, lmeval, own, pt, steeringlite, svec

    return {
        "gguf": gguf.write_gguf,
        "svec": svec.write_svec,
        "steering-vectors": pt.write_layers,
        "caa": baretensor.write_tensor,
        "lm-eval": lmeval.write_lm_eval,
        "steer-tui": own.write_own,
        "steering-lite": steeringlite.write_steering_lite,
        "latents": latents.write_latents,
    }[format]
