"""One extraction: concepts are read together as far as memory goes, then each becomes a vector with its metadata.

Knows nothing of how texts became ids or how a method finds its direction.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steer_tui.engine.diagnose import best_layers
from steer_tui.engine.digest import pairs_digest
from steer_tui.engine.fit import Fit, fit, scaled, with_norms
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.oddpairs import odd_pairs
from steer_tui.engine.passages import Examples, Passage, prompts_of, system_of
from steer_tui.engine.place import Place
from steer_tui.engine.readings import OnProgress, Progress, ShouldStop, read_passages
from steer_tui.engine.stream import Stream
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.vectormeta import MadeFor, VectorMeta

KEEP_BYTES = 512 * 2**20
"""Activations that are kept; concepts with more are streamed."""
GRADIENT = "gradient"
_GRADIENT_LAYERS = 2
"""Layers that `gradient` chooses for itself."""


@dataclass(frozen=True)
class Readings:
    """What was read of some texts."""

    means: Tensor
    """(texts, L, D) float32 on the CPU: activations averaged over the tokens that are read."""
    norms: Tensor
    """(texts, L): mean norm of the residual stream over them."""


@dataclass(frozen=True)
class Extraction:
    """A method at a place of a model, for any concepts."""

    lm: LanguageModel
    place: Place
    method: str
    seed: int
    may_choose_layers: bool

    def run(
        self,
        examples: Sequence[Examples],
        on_progress: OnProgress,
        should_stop: ShouldStop,
    ) -> dict[str, SteeringVector]:
        """Return a vector per concept."""
        groups = self._groups(examples)
        progress = Progress(self._work(groups), on_progress, should_stop)
        vectors = {}
        for group in groups:
            for one, found in self._fits(group, progress):
                vectors[one.concept.name] = self._vector(one, found, self.place.layers, progress)
        progress.finish()
        return {one.concept.name: vectors[one.concept.name] for one in examples}

    @property
    def _fitted(self) -> str:
        """The method by which activations are fitted: `gradient` begins at the means."""
        return "mean" if self.method == GRADIENT else self.method

    def _groups(self, examples: Sequence[Examples]) -> list[list[Examples]]:
        """Return the concepts that are read together: as many as activations may be kept of."""
        groups: list[list[Examples]] = []
        room = 0
        for one in examples:
            need = self._bytes(one)
            if not groups or need > room:
                groups.append([])
                room = KEEP_BYTES
            groups[-1].append(one)
            room -= need
        return groups

    def _bytes(self, one: Examples) -> int:
        texts = len({*one.positive, *one.negative})
        return 4 * texts * len(self.place.layers) * self.lm.info.width

    def _is_streamed(self, group: Sequence[Examples]) -> bool:
        return len(group) == 1 and self._bytes(group[0]) > KEEP_BYTES

    def _work(self, groups: Sequence[Sequence[Examples]]) -> int:
        """Return the units of work: texts to read and the most steps to go."""
        total = 0
        for group in groups:
            if self._is_streamed(group):
                total += 2 * (len(group[0].positive) + len(group[0].negative))
            else:
                total += len({text for one in group for text in (*one.positive, *one.negative)})
            if self.method == GRADIENT:
                from steer_tui.engine.methods.gradient import STEPS

                count = (
                    min(_GRADIENT_LAYERS, len(self.place.layers)) if self.may_choose_layers else len(self.place.layers)
                )
                total += STEPS * count * len(group)
        return total

    def _fits(self, group: Sequence[Examples], progress: Progress) -> Iterator[tuple[Examples, Fit]]:
        if self._is_streamed(group):
            yield group[0], self._stream(group[0], progress)
            return
        passages = list(dict.fromkeys(text for one in group for text in (*one.positive, *one.negative)))
        index = {text: place for place, text in enumerate(passages)}
        readings = read_all(self.lm, passages, self.place, progress)
        for one in group:
            progress.check()  # fitting a probe takes seconds
            positive, negative = ([index[text] for text in side] for side in (one.positive, one.negative))
            norms = readings.norms[negative].mean(dim=0)
            sides = readings.means[positive], readings.means[negative]
            yield one, fit(*sides, norms, self._fitted, _order(one), self.seed)

    def _stream(self, one: Examples, progress: Progress) -> Fit:
        """Return the fit of a concept whose activations are too many to be kept."""
        counts = len(one.positive), len(one.negative)
        passages = [*one.positive, *one.negative]
        width, depth = self.lm.info.width, len(self.place.layers)
        most = max(8, KEEP_BYTES // (8 * depth * width))
        sample = _sample(counts, most)
        together = [(at, at + counts[0]) for at in range(counts[0])] if one.are_pairs else None
        stream = Stream(counts, depth, width, self._fitted, sample)
        for batch in read_passages(self.lm, passages, self.place, progress, together):
            stream.add(batch)
        return stream.finish(read_passages(self.lm, passages, self.place, progress, together), self.seed)

    def _vector(self, one: Examples, found: Fit, layers: Sequence[int], progress: Progress) -> SteeringVector:
        """Return a fit as a vector with its metadata."""
        recommended = best_layers(dict(zip(layers, found.diagnostics, strict=True)), self.lm.info.layers)
        if self.method == GRADIENT:
            layers = sorted(recommended) if self.may_choose_layers else layers
            found = self._optimised(one, found, layers, progress)
        slots = {layer: slot for slot, layer in enumerate(layers)}
        agreed, info, concept = found.agreement, self.lm.info, one.concept
        meta = VectorMeta(
            name=concept.name,
            model=MadeFor(
                id=info.id, type=info.type, layers=info.layers, width=info.width, fingerprint=info.fingerprint
            ),
            group=concept.group,
            description=concept.description,
            site=self.place.site,
            method=self.method,
            read=one.read.words,
            template=one.template,
            pairs=min(len(concept.positive), len(concept.negative)),
            pairs_sha256=pairs_digest(concept.positive, concept.negative, prompts_of(concept), system_of(concept)),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            best_layers=recommended,
            residual_norm={layer: float(found.residual_norm[slot]) for layer, slot in slots.items()},
            origin={layer: float(found.origin[slot]) for layer, slot in slots.items()},
            diagnostics={layer: found.diagnostics[slot] for layer, slot in slots.items()},
            disagreeing=() if agreed is None else odd_pairs(concept, agreed[:, slots[recommended[0]]].tolist()),
        )
        return SteeringVector(concept.name, {layer: found.raw[slot] for layer, slot in slots.items()}, meta)

    def _optimised(self, one: Examples, found: Fit, layers: Sequence[int], progress: Progress) -> Fit:
        """Return the fit at some layers with optimised directions in place of the difference of means."""
        from steer_tui.engine.methods.gradient import optimise

        slots = [self.place.layers.index(layer) for layer in layers]
        results = []
        for layer, slot in zip(layers, slots, strict=True):
            place = replace(self.place, points={layer: self.place.points[layer]})
            results.append(optimise(self.lm, one, place, found.mean_difference[slot], progress, self.seed))
        raw = scaled(torch.stack([result.direction for result in results]), found.mean_difference[slots])
        figures = []
        for result, slot in zip(results, slots, strict=True):
            known = found.diagnostics[slot]  # the others are of the difference of means
            kept = {name: known[name] for name in ("consistency", "reversed") if name in known}
            figures.append(kept | {"loss_before": result.loss_before, "loss_after": result.loss_after})
        norms = found.residual_norm[slots]
        return replace(
            found,
            raw=raw,
            mean_below=found.mean_below[slots],
            mean_difference=found.mean_difference[slots],
            residual_norm=norms,
            diagnostics=with_norms(figures, raw, norms),
            agreement=None if found.agreement is None else found.agreement[:, slots],
        )


def read_all(lm: LanguageModel, passages: Sequence[Passage], place: Place, progress: Progress) -> Readings:
    """Return the readings of all texts, kept."""
    means = torch.zeros(len(passages), len(place.layers), lm.info.width)
    norms = torch.zeros(len(passages), len(place.layers))
    for batch in read_passages(lm, passages, place, progress):
        means[batch.passages], norms[batch.passages] = batch.means, batch.norms
    return Readings(means, norms)


def _order(one: Examples) -> tuple[list[int], list[int]]:
    """Return an order of either side that hangs on the texts alone; pairs stay together."""
    if one.are_pairs:
        order = sorted(range(len(one.positive)), key=lambda at: (one.positive[at].ids, one.negative[at].ids))
        return order, order
    return (
        sorted(range(len(one.positive)), key=lambda at: one.positive[at].ids),
        sorted(range(len(one.negative)), key=lambda at: one.negative[at].ids),
    )


def _sample(counts: tuple[int, int], most: int) -> list[int]:
    """Return the indices of `most` texts of either class at most, drawn once for all; pairs stay together."""
    drawn = [torch.randperm(count, generator=torch.Generator().manual_seed(count))[:most] for count in counts]
    return sorted([*drawn[0].tolist(), *(int(at) + counts[0] for at in drawn[1])])
