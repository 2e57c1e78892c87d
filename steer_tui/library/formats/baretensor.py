"""One tensor in a `.pt` file: what it is must be told from its shape, its name and what lies beside it.

(D,): one block. CAA names it vec_layer_<L>_<model>.pt and EasyEdit layer_<L>.pt, L the block whose output it is;
refusal_direction puts direction_metadata.json beside it, whose layer is the block whose INPUT it is.
(N, D): persona_vectors keeps one row for the embeddings and one for each block's output; others one for each block.
(P, N, D): refusal_direction's mean differences, by position and block input.
"""

from __future__ import annotations

import re

from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import LibraryError
from steer_tui.library.formats.catalogue import Choice, Question
from steer_tui.library.formats.draft import UNKNOWN, Asked, Draft
from steer_tui.library.formats.jsontext import parse_json
from steer_tui.library.formats.limits import MAX_LAYERS, ForeignFile, check_layer, read_foreign
from steer_tui.library.formats.single import chosen_layer
from steer_tui.library.formats.torcharchive import save_archive

METADATA = "direction_metadata.json"
MAX_METADATA = 1 << 16
MAX_POSITIONS = 32

_CAA = re.compile(r"vec_layer_(\d{1,4})(?:_.*)?", re.ASCII | re.DOTALL)
_EASYEDIT = re.compile(r"layer_(\d{1,4})", re.ASCII)
_NAMED = re.compile(r"(?:.*[_\-. ])?layer[_\- ]?(\d{1,4})", re.ASCII | re.DOTALL)
_ROWS = Question(
    "what is the first row: block 0, or the embeddings before it?",
    "producer",
    (
        Choice("torch", "block 0: one row for each block"),
        Choice("persona-vectors", "the embeddings, as persona_vectors"),
    ),
)


def read_tensor(file: ForeignFile, tensor: Tensor, asked: Asked) -> list[Draft]:
    """Return the vectors that a single tensor holds.

    Raises:
        LibraryError: Its shape is that of no vector.
    """
    if not tensor.dtype.is_floating_point:
        raise LibraryError(f"holds {str(tensor.dtype).removeprefix('torch.')} numbers, not floats")
    if tensor.ndim == 2 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim == 1 and tensor.numel() > 1:
        return [_one(file, tensor, asked)]
    if tensor.ndim == 2 and 1 < tensor.shape[0] <= MAX_LAYERS and tensor.shape[1] > 1:
        return [_by_row(file, tensor, asked)]
    if tensor.ndim == 3 and 0 < tensor.shape[0] <= MAX_POSITIONS and 0 < tensor.shape[1] <= MAX_LAYERS:
        return _by_position(file, tensor)
    raise LibraryError(f"holds a tensor of shape {tuple(tensor.shape)}, which is no vector")


def _one(file: ForeignFile, row: Tensor, asked: Asked) -> Draft:
    """Return a draft of one direction; without a word about its block it is layer 0 and a question."""
    stem = file.stem
    for pattern, producer in ((_CAA, "caa"), (_EASYEDIT, "easyedit"), (_NAMED, UNKNOWN)):
        if match := pattern.fullmatch(stem):
            layer = check_layer(str(int(match[1])))
            draft = Draft(_shared_name(file, match), {layer: row}, producer, best=(layer,))
            draft.notes.append(f"its file name says layer {layer}")
            return draft
    found = _metadata(file)
    if found is not None:
        layer, position = found
        name = f"{stem}{position}" if position is not None else stem
        draft = Draft(name, {layer: row}, "refusal-direction", -1, best=(layer,))
        draft.notes.append(f"{METADATA} says layer {layer}, read at a block's input: the output of block {layer - 1}")
        return draft
    draft = Draft(stem, {0: row}, best=(0,))
    if asked.layer_offset is None:
        draft.question = Question("which block's output does it belong to? The file does not say.", "layer")
    return draft


def _shared_name(file: ForeignFile, match: re.Match[str]) -> str:
    """Return what the files of one vector have in common: their stem without the layer, else their folder."""
    before = file.stem[: match.start(1)]
    plain = re.sub(r"[_\-. ]*(vec[_\-])?layer[_\- ]?$", "", before)
    return plain or file.path.absolute().parent.name or file.stem


def _metadata(file: ForeignFile) -> tuple[int, int | None] | None:
    """Return (layer, position) of the metadata file beside a direction; None where there is none."""
    path = file.path.with_name(METADATA)
    if file.stem != "direction" or not path.is_file():
        return None
    try:
        value = parse_json(read_foreign(path, MAX_METADATA).data)
        layer = check_layer(value.get("layer"))
    except LibraryError as error:
        raise LibraryError(f"has a {METADATA} beside it that {error.message}", hint=error.hint) from error
    position = value.get("pos")
    return layer, position if type(position) is int and abs(position) < 100 else None


def _by_row(file: ForeignFile, tensor: Tensor, asked: Asked) -> Draft:
    draft = Draft(file.stem, dict(enumerate(tensor)), "torch")
    count, model = int(tensor.shape[0]), asked.model
    if model is not None and count == model["layers"] + 1:
        draft.producer, draft.offset = "persona-vectors", -1
        draft.notes.append(
            "one row more than blocks: the first was taken for the embeddings, as persona_vectors has it"
        )
    elif (model is None or count != model["layers"]) and asked.producer is None and asked.layer_offset is None:
        draft.question = _ROWS
    return draft


def _by_position(file: ForeignFile, tensor: Tensor) -> list[Draft]:
    """Return one draft for each position, counted from the prompt's end."""
    count = int(tensor.shape[0])
    drafts = []
    for position in range(count):
        draft = Draft(f"{file.stem}{position - count}", dict(enumerate(tensor[position])), "refusal-direction", -1)
        draft.notes.append("by position and block input, as refusal_direction keeps mean differences")
        drafts.append(draft)
    return drafts


def write_tensor(vector: SteeringVector) -> tuple[bytes, tuple[int, ...], list[str]]:
    """Return one bare tensor, its block, and notes."""
    layer, notes = chosen_layer(vector)
    notes.append(f"the file does not say its block: name it vec_layer_{layer}.pt")
    return save_archive(vector.layers[layer].clone()), (layer,), notes
