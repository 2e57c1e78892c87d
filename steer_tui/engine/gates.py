"""Decides gates: reads a row's prompt once, unsteered, and compares its place on the gate's concept scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from steer_tui.engine.blockhooks import BlockHooks
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.pointhook import by_row
from steer_tui.engine.reading import first_own, pass_through_blocks
from steer_tui.engine.resolve import ActiveTerm
from steer_tui.engine.spot import Spot


def decide_gates(lm: LanguageModel, prompt_ids: Sequence[int], terms: Sequence[ActiveTerm]) -> tuple[ActiveTerm, ...]:
    """Return the terms with every gate decided; costs a pass over the prompt only where there is a gate.

    A prompt's place is the mean over its tokens at the gate vector's first best layer; as in extraction, what the
    tokenizer puts in front of it does not count.
    """
    layers = {term.gate_layer for term in terms if term.gate_layer is not None}
    if not layers:
        return tuple(terms)
    means = _prompt_means(lm, prompt_ids, layers)
    decided = []
    for term in terms:
        if term.gate_layer is not None and term.gate_vector is not None:
            term = term.decide(float(term.gate_vector.place(means[term.gate_layer])))
        decided.append(term)
    return tuple(decided)


def _prompt_means(lm: LanguageModel, prompt_ids: Sequence[int], layers: set[Spot]) -> dict[Spot, Tensor]:
    """Return the mean activation over the prompt's own tokens, (D,) float32 on the CPU, at each layer."""
    means: dict[Spot, Tensor] = {}
    first = first_own(lm, prompt_ids)

    def read(layer: Spot, hidden: Tensor) -> Tensor:
        means[layer] = by_row(hidden, 1)[0, first:].float().mean(dim=0).cpu()
        return hidden

    ids = torch.tensor([list(prompt_ids)], device=lm.device)
    with BlockHooks(lm.structure, read, lm) as hooks:
        hooks.cover(layers)
        pass_through_blocks(lm, ids, torch.ones_like(ids))
    return means
