"""Where to read: vectors from the mean of all tokens against vectors from the last token, by their effect.

`python tests/bench/demo_read_position.py [CONCEPT...]` prints, for each concept, layer span and strength, the share of
texts that show the concept and the perplexity ratio with either vector; equal strengths add vectors of equal length.
"""

from __future__ import annotations

import sys

import torch

from steer_tui.demo.prompts import TUNING_PROMPTS
from steer_tui.demo.trial import Setting, run_trials
from steer_tui.demo.vectors import bundled_concepts
from steer_tui.engine.blockhooks import BlockHooks
from steer_tui.engine.extract import extract
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.vector import SteeringVector

SPAN = "2-3"
STRENGTHS = (1.0, 2.0, 3.0)


@torch.inference_mode()
def last_token_means(lm: LanguageModel, texts: tuple[str, ...]) -> torch.Tensor:
    """Return (L, D): block outputs at the last token, averaged over texts."""
    total = torch.zeros(lm.info.layers, lm.info.width)

    def keep(layer: int, hidden: torch.Tensor) -> torch.Tensor:
        total[layer] += hidden[0, -1].float()
        return hidden

    with BlockHooks(lm.structure, keep) as hooks:
        hooks.cover(range(lm.info.layers))
        for text in texts:
            lm.model(input_ids=torch.tensor([lm.encode(text, raw=True)]))
    return total / len(texts)


def main() -> None:
    """Print the table."""
    lm = LanguageModel.load("demo")
    names = sys.argv[1:] or ["happy", "angry", "pirate", "formal"]
    setting = Setting(TUNING_PROMPTS, (1, 2))
    base = run_trials(lm, [""], {}, setting)[0]
    print(f"{'concept':12s} {'recipe':16s} {'mean of all tokens':>20s} {'last token':>20s}")
    for concept in bundled_concepts():
        if concept.name not in names:
            continue
        mean = extract(lm, [concept])[concept.name]
        raw = last_token_means(lm, concept.positive) - last_token_means(lm, concept.negative)
        lengths = {layer: vector.norm() for layer, vector in mean.layers.items()}
        layers = {layer: raw[layer] / raw[layer].norm() * length for layer, length in lengths.items()}
        last = SteeringVector(concept.name, layers, mean.meta)
        for strength in STRENGTHS:
            recipe = f"{concept.name}:{strength:g}@{SPAN}"
            cells = []
            for vector in (mean, last):
                trial = run_trials(lm, [recipe], {concept.name: vector}, setting)[0]
                cells.append(f"{trial.share(concept):8.0%}  x{trial.perplexity / base.perplexity:8.2f}")
            print(f"{concept.name:12s} {recipe:16s} {cells[0]:>20s} {cells[1]:>20s}", flush=True)


if __name__ == "__main__":
    main()
