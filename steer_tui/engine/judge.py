"""Measures of a run: keeps what the steered tokens were drawn from, re-reads both texts with the unsteered model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from steer_tui.engine.branch import Branch
from steer_tui.engine.decode import Decoder, Drawn
from steer_tui.engine.measure import Reader, Reading, distinct_2
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.types import Measures
from steer_tui.engine.vector import SteeringVector

_MOST_BYTES = 256 * 2**20
"""Logits kept before they are read and let go."""


class Judge:
    """Collects while a run goes on; `finish` gives its measures."""

    def __init__(
        self, lm: LanguageModel, prompt_ids: Sequence[int], concepts: Mapping[str, SteeringVector], branches: int
    ) -> None:
        self._lm = lm
        self._prompt_ids = list(prompt_ids)
        self._concepts = dict(concepts)
        self._branches = branches
        self._logits: list[Tensor] = []
        self._ids: list[int] = []
        self._reader: Reader | None = None

    def add_concepts(self, concepts: Mapping[str, SteeringVector]) -> None:
        """Measure these too; once part of a long text has been read and let go, they have no place."""
        self._concepts.update(concepts)

    def note(self, drawn: Sequence[Drawn], decoder: Decoder) -> None:
        """Keep the distribution that the steered row's token was drawn from."""
        if not drawn or drawn[0].row != 0 or decoder.last_logits is None:
            return
        self._logits.append(decoder.last_logits[0].clone())
        self._ids.append(drawn[0].id)
        if len(self._logits) * self._logits[0].numel() * self._logits[0].element_size() > _MOST_BYTES:
            with decoder.quiet():
                self._read_steered()

    def finish(self, branches: Sequence[Branch]) -> Measures:
        """Return the measures of the finished texts."""
        if self._ids:
            self._read_steered()
        steered = self._reader.readings[0] if self._reader is not None else Reading()
        baseline = self._read_baseline(branches[1]) if len(branches) > 1 and branches[1].ids else None
        return Measures(
            concepts={
                name: (steered.place(name), baseline.place(name) if baseline else None) for name in self._concepts
            },
            perplexity=(steered.perplexity, baseline.perplexity if baseline else None),
            kl_mean=steered.kl_mean,
            kl_p95=steered.kl_p95,
            distinct_2=(distinct_2(branches[0].ids), distinct_2(branches[1].ids) if len(branches) > 1 else None),
        )

    def _read_steered(self) -> None:
        if self._reader is None:
            self._reader = Reader(self._lm, [self._prompt_ids], self._concepts)
        self._reader.read([self._ids], [torch.stack(self._logits)])
        self._ids, self._logits = [], []

    def _read_baseline(self, branch: Branch) -> Reading:
        reader = Reader(self._lm, [self._prompt_ids], self._concepts)
        reader.read([branch.ids])
        return reader.readings[0]
