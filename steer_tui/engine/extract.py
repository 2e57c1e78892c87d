"""Contrast pairs to steering vectors: every text of every concept is read once, in batches, at all layers together.

The vector of a layer is the difference of class means (Turner et al. 2023; Rimsky et al. 2024), a text standing for the
mean over its tokens: the last token alone, a full stop in most sentences, steers little. Knows concepts only as two
lists of texts.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from steer_tui.engine.blockhooks import BlockHooks
from steer_tui.engine.diagnose import best_layers, diagnose
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.out_of_memory import memory_errors_named
from steer_tui.engine.prompt import pad_left
from steer_tui.engine.reading import first_own, pass_through_blocks
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta
from steer_tui.errors import Cancelled, UsageError

_BATCH_TOKENS = 2048
"""Padded tokens read in one pass."""

READ_MEAN = "mean of all tokens"


class Pairs(Protocol):
    """What extraction needs of a concept."""

    @property
    def name(self) -> str:
        """Name of the vector."""

    @property
    def group(self) -> str:
        """Group it is listed in."""

    @property
    def description(self) -> str:
        """One line."""

    @property
    def positive(self) -> Sequence[str]:
        """Texts that show the concept."""

    @property
    def negative(self) -> Sequence[str]:
        """Texts that do not."""


@dataclass(frozen=True)
class _Readings:
    """What was read of some texts."""

    means: Tensor
    """(texts, L, D) float32 on the CPU: block outputs averaged over each text's tokens."""
    norms: Tensor
    """(texts, L): mean norm of the residual over each text's tokens."""


def extract(
    lm: LanguageModel,
    concepts: Sequence[Pairs],
    *,
    layers: Sequence[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, SteeringVector]:
    """Return a vector per concept.

    Args:
        lm: The model; its chat template is not used.
        concepts: Each with at least one text on both sides.
        layers: Blocks to read, all by default.
        on_progress: Called with the texts read so far and all there are.
        should_stop: Asked between batches.

    Raises:
        Cancelled: `should_stop` said so.
        OutOfMemory: A batch does not fit.
        UsageError: A concept lacks texts on one side, or the model has no such layer.
    """
    for concept in concepts:
        if not concept.positive or not concept.negative:
            raise UsageError(f"concept {concept.name!r} needs texts on both sides", hint="three pairs are enough")
    chosen = list(range(lm.info.layers)) if layers is None else sorted(set(layers))
    outside = [layer for layer in chosen if not 0 <= layer < lm.info.layers]
    if outside or not chosen:
        problem = f"no layer {outside[0]}" if outside else "no layer to read"
        raise UsageError(problem, hint=f"the model has layers 0-{lm.info.layers - 1}")
    texts = list(dict.fromkeys(text for c in concepts for text in (*c.positive, *c.negative)))
    index = {text: place for place, text in enumerate(texts)}
    with memory_errors_named("extraction does not fit in the device's memory", "choose a smaller model"):
        readings = read_texts(lm, texts, chosen, on_progress, should_stop)
    vectors = {}
    for concept in concepts:
        positive = torch.tensor([index[text] for text in concept.positive])
        negative = torch.tensor([index[text] for text in concept.negative])
        vectors[concept.name] = _vector(lm, concept, chosen, readings, positive, negative)
    return vectors


@torch.inference_mode()
def read_texts(
    lm: LanguageModel,
    texts: Sequence[str],
    layers: Sequence[int],
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> _Readings:
    """Return what each text's tokens, those that the tokenizer adds excluded, leave at each block's output."""
    encoded = [_encode(lm, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda place: len(encoded[place][0]))
    means = torch.zeros(len(texts), len(layers), lm.info.width)
    norms = torch.zeros(len(texts), len(layers))
    done = 0
    for batch in _batches(order, [len(ids) for ids, _ in encoded]):
        if should_stop is not None and should_stop():
            raise Cancelled("extraction stopped")
        batch_means, batch_norms = _read_batch(lm, [encoded[place] for place in batch], layers)
        means[batch], norms[batch] = batch_means, batch_norms
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(texts))
    return _Readings(means, norms)


def _read_batch(
    lm: LanguageModel, rows: Sequence[tuple[list[int], int]], layers: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return (B, L, D) means and (B, L) norms over the tokens of each row from its first read one on."""
    ids, mask = pad_left([row for row, _ in rows], lm.pad_id, lm.device)
    read = mask.bool()
    for place, (row, first) in enumerate(rows):
        read[place, : ids.shape[1] - len(row) + first] = False
    weights = read.float() / read.sum(dim=1, keepdim=True)
    means = torch.zeros(len(rows), len(layers), lm.info.width)
    norms = torch.zeros(len(rows), len(layers))
    slots = {layer: slot for slot, layer in enumerate(layers)}

    def keep(layer: int, hidden: Tensor) -> Tensor:
        share = weights.to(hidden.device)
        states = hidden.float().masked_fill(~read.to(hidden.device).unsqueeze(-1), 0.0)
        means[:, slots[layer]] = torch.bmm(share.unsqueeze(1), states).squeeze(1).cpu()
        norms[:, slots[layer]] = (share * states.norm(dim=-1)).sum(dim=1).cpu()
        return hidden

    with BlockHooks(lm.structure, keep) as hooks:
        hooks.cover(layers)
        pass_through_blocks(lm, ids, mask)
    return means, norms


def _encode(lm: LanguageModel, text: str) -> tuple[list[int], int]:
    """Return a text's ids and the index of its first own token: what the tokenizer puts in front is not read."""
    ids = lm.encode(text, raw=True)
    return ids, first_own(lm, ids)


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Return texts of like length together, as many as the budget of padded tokens allows."""
    batches: list[list[int]] = []
    for place in order:  # ascending length, so the newest is the longest of its batch
        if batches and (len(batches[-1]) + 1) * lengths[place] <= _BATCH_TOKENS:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def _vector(
    lm: LanguageModel, concept: Pairs, layers: Sequence[int], readings: _Readings, positive: Tensor, negative: Tensor
) -> SteeringVector:
    """Return the difference of means of one concept with its metadata."""
    above, below = readings.means[positive].transpose(0, 1), readings.means[negative].transpose(0, 1)  # (L, n, D)
    mean_above, mean_below = above.mean(dim=1), below.mean(dim=1)
    raw = mean_above - mean_below
    unit = raw / raw.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    origin = (mean_below * unit).sum(dim=-1)
    norms = readings.norms[negative].mean(dim=0)
    diagnostics = {layer: diagnose(above[slot], below[slot]) for slot, layer in enumerate(layers)}
    info = lm.info
    meta = VectorMeta(
        name=concept.name,
        model=MadeFor(id=info.id, type=info.type, layers=info.layers, width=info.width, fingerprint=info.fingerprint),
        group=concept.group,
        description=concept.description,
        method="mean",
        read=READ_MEAN,
        template="raw",
        pairs=min(len(concept.positive), len(concept.negative)),
        pairs_sha256=_digest(concept),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        best_layers=best_layers(diagnostics, info.layers),
        residual_norm={layer: float(norms[slot]) for slot, layer in enumerate(layers)},
        origin={layer: float(origin[slot]) for slot, layer in enumerate(layers)},
        diagnostics=diagnostics,
    )
    return SteeringVector(concept.name, {layer: raw[slot] for slot, layer in enumerate(layers)}, meta)


def _digest(concept: Pairs) -> str:
    """Return the SHA-256 of the texts, the same for equal texts in equal order."""
    content = json.dumps([list(concept.positive), list(concept.negative)], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
