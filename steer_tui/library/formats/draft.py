"""What a foreign file says, before it is a vector of a model: its directions by the file's own layer numbers.

`settle` places them on blocks, names the model, keeps where they came from. Knows no file format.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import torch
from torch import Tensor

from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import LibraryError, SteerError
from steer_tui.library.formats.catalogue import Question, producer_named
from steer_tui.library.formats.limits import check_count, check_width
from steer_tui.library.names import slug
from steer_tui.text import one_line, truncate

UNKNOWN = "unknown"
_TEXT = 200
"""Characters of a text from a file that are kept."""


@dataclass(slots=True)
class Draft:
    """One vector as a file has it."""

    name: str
    """What file or file name call it; any text."""
    rows: dict[int, Tensor]
    """The file's layer number -> (D,), any float dtype."""
    producer: str = UNKNOWN
    offset: int = 0
    """Block index = layer number + offset, by the producer's custom."""
    model_type: str = ""
    model_id: str = ""
    model_layers: int = 0
    """Blocks of the model it was made for; 0 where the file does not say."""
    method: str = "imported"
    description: str = ""
    best: tuple[int, ...] = ()
    """Recommended layers in the file's own numbers."""
    meta: VectorMeta | None = None
    """Where this program wrote the file: all it knew of the vector."""
    notes: list[str] = field(default_factory=list)
    question: Question | None = None
    """What must be answered before it is a vector."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller says of an import; None where nothing is said."""

    producer: str | None = None
    layer_offset: int | None = None
    model: MadeFor | None = None
    insist: bool = False
    """True refuses a vector that does not fit `model`; False lets it be one of another model."""

    def offset_of(self, draft: Draft) -> int:
        """Return what to add to the file's layer numbers."""
        if self.layer_offset is not None:
            return self.layer_offset
        return producer_named(self.producer).offset if self.producer is not None else draft.offset


def settle(draft: Draft, name: str, file: str, asked: Asked) -> tuple[SteeringVector, list[str]]:
    """Return a draft as a vector, and what there is to say about it, one line each.

    Args:
        draft: Without a question.
        name: A checked name.
        file: Name of the file it came from.
        asked: What the caller says.

    Raises:
        LibraryError: It is no vector, or does not fit the model that it must fit.
    """
    notes = list(draft.notes)
    check_count(len(draft.rows))
    layers = _placed(draft, asked.offset_of(draft), notes)
    width = next(iter(layers.values())).shape[0]
    model = _made_for(draft, max(layers), width, asked, notes)
    producer = asked.producer or draft.producer
    meta = _meta(
        draft, name, model, {"producer": producer, "file": truncate(one_line(file), _TEXT)}, layers, notes, asked
    )
    try:
        return SteeringVector(name, layers, meta), notes
    except SteerError as error:
        raise LibraryError(error.message.replace(f"vector {name!r} ", ""), hint=error.hint) from error


def _placed(draft: Draft, offset: int, notes: list[str]) -> dict[int, Tensor]:
    """Return block -> (D,) float32, without zeros and without what lies before the first block."""
    widths = {check_width(int(row.shape[0])) if row.ndim == 1 else 0 for row in draft.rows.values()}
    if len(widths) > 1 or 0 in widths:
        raise LibraryError("holds directions of different widths" if 0 not in widths else "holds no plain directions")
    rows = {layer: _float32(layer, row) for layer, row in sorted(draft.rows.items())}
    if any(
        draft.rows[layer].dtype == torch.float64 and not torch.equal(row.double(), draft.rows[layer])
        for layer, row in rows.items()
    ):
        notes.append("its float64 numbers were rounded to float32")
    full = {layer: row for layer, row in rows.items() if bool(row.any())}
    if not full:
        raise LibraryError("holds zeros only")
    if len(full) < len(rows):
        notes.append(f"{_count(len(rows) - len(full))} of zeros only left out")
    blocks = {layer + offset: row for layer, row in full.items() if layer + offset >= 0}
    if not blocks:
        raise LibraryError("acts before the first block, where this program does not steer")
    if len(blocks) < len(full):
        notes.append(f"{_count(len(full) - len(blocks))} before the first block left out")
    return blocks


def _count(number: int) -> str:
    return "1 direction" if number == 1 else f"{number} directions"


def _float32(layer: int, row: Tensor) -> Tensor:
    if not row.dtype.is_floating_point:
        raise LibraryError(f"holds {str(row.dtype).removeprefix('torch.')} numbers, not floats, at layer {layer}")
    plain = row.detach().to("cpu", torch.float32).contiguous().clone()
    if not bool(torch.isfinite(plain).all()):
        raise LibraryError(f"holds numbers that are not finite at layer {layer}")
    if not bool(torch.isfinite(plain.norm())):
        raise LibraryError(f"holds numbers too large to steer with at layer {layer}")
    return plain


def _made_for(draft: Draft, last: int, width: int, asked: Asked, notes: list[str]) -> MadeFor:
    """Return the model that a vector is kept for."""
    own = draft.meta.model if draft.meta is not None else None
    model = asked.model
    if model is not None and not asked.insist and own is not None and own["id"] != model["id"]:
        model = None
    if model is not None:
        misfit = _misfit(model, own, last, width)
        if misfit is None:
            return _claimed(model, draft, own, notes)
        if asked.insist:
            raise LibraryError(misfit, hint="leave --model away to keep it for its own model")
    made_for = own or _other_model(draft, last, width)
    if asked.model is not None:
        notes.append(f"made for another model: it cannot steer {asked.model['id']}, and is kept for {made_for['id']}")
    return made_for


def _misfit(model: MadeFor, own: MadeFor | None, last: int, width: int) -> str | None:
    if width != model["width"]:
        return f"has width {width}, {model['id']} has {model['width']}"
    if last >= model["layers"]:
        return f"has a direction for block {last}, {model['id']} has blocks 0-{model['layers'] - 1}"
    if own is not None and own["layers"] != model["layers"]:
        return f"was made for {own['layers']} blocks, {model['id']} has {model['layers']}"
    return None


def _claimed(model: MadeFor, draft: Draft, own: MadeFor | None, notes: list[str]) -> MadeFor:
    """Return the model that the caller names, with a note where the file says otherwise."""
    if own is not None and own["fingerprint"] != model["fingerprint"]:
        notes.append(f"was made for other weights of {own['id']}: its effect may differ")
        return own if own["id"] == model["id"] else model
    said = draft.model_id or draft.model_type
    if own is None and said and _family(said) not in ("", _family(model["type"]), _family(model["id"])):
        notes.append(f"says it was made for {said}; kept for {model['id']}")
    return model


def _family(text: str) -> str:
    """Return the leading letters of a model's type: qwen for qwen2.5."""
    plain = text.rpartition("/")[2].casefold()
    letters = next((place for place, character in enumerate(plain) if not character.isalpha()), len(plain))
    return "" if plain == UNKNOWN else plain[:letters]


def _other_model(draft: Draft, last: int, width: int) -> MadeFor:
    """Return a model of which only sizes are known, named after them: no model in use is ever taken for it."""
    layers = max(draft.model_layers, last + 1)
    plain = one_line(draft.model_id or draft.model_type)[:60]
    return MadeFor(
        id=f"{slug(plain) if plain else UNKNOWN}-{layers}x{width}",
        type=one_line(draft.model_type)[:60],
        layers=layers,
        width=width,
        fingerprint="",
    )


def _meta(
    draft: Draft,
    name: str,
    model: MadeFor,
    source: dict[str, str],
    layers: dict[int, Tensor],
    notes: list[str],
    asked: Asked,
) -> VectorMeta:
    if draft.meta is not None:
        best = tuple(layer for layer in draft.meta.best_layers if layer in layers)
        recipe = draft.meta.default_recipe if name == draft.meta.name else None
        kept = draft.meta.source or source
        return replace(draft.meta, name=name, model=model, best_layers=best, source=kept, default_recipe=recipe)
    best = tuple(layer for number in draft.best if (layer := number + asked.offset_of(draft)) in layers)
    if not best:
        best = (min(layers, key=lambda layer: (abs(2 * layer + 1 - model["layers"]), layer)),)
        if len(layers) > 1:
            notes.append(f"recommends no layer: block {best[0]}, the middle one, stands until a sweep finds a better")
    return VectorMeta(
        name=name,
        model=model,
        group="imported",
        description=truncate(one_line(draft.description), _TEXT),
        method=truncate(one_line(draft.method), 40) or "imported",
        read="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        best_layers=best,
        source=source,
    )
