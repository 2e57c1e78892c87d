"""Method x read position x layer against what the vectors do, at equal harm.

`python tests/bench/method_table.py MODEL [CONCEPT...] [--kl 0.5] [--methods ...] [--reads ...] [--texts]`

Vectors are made from every other pair. Each is added at one layer with the strength at which the next-token
distributions on held-out negative texts move by a mean KL of `--kl` nats. Its effect is how much likelier that makes
the held-out positive texts than the held-out negative ones, in hundredths of a nat per token. `--texts` also lets the
demo model write with each and prints the share of texts that show the concept. `random` is how far
random directions reach.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from steer_tui.demo.prompts import TUNING_PROMPTS
from steer_tui.demo.trial import Setting, run_trials
from steer_tui.demo.vectors import bundled_concepts
from steer_tui.engine.extract import extract
from steer_tui.engine.extractchoices import METHODS
from steer_tui.engine.inference import forward
from steer_tui.engine.loading import load_model
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.place import PlaceHooks, find_place
from steer_tui.engine.prompt import pad_left
from steer_tui.engine.vector import SteeringVector
from steer_tui.library.concepts import Concept

READS = ("mean", "last", "completion")
STARTS = {"tinystories-656k": "<|start_story|>"}
"""What a model's texts began with in training."""
RANDOM = "random"
_STEPS = 8
_NEAR = 0.02
_RANDOMS = 3


@dataclass(frozen=True)
class HeldOut:
    """Texts that no vector was made from, and what the model makes of them unsteered."""

    lm: LanguageModel
    ids: Tensor
    mask: Tensor
    positives: int
    logprobs: Tensor

    def measure(self, layer: int, vector: Tensor) -> tuple[float, float]:
        """Return (mean KL on the negative texts, effect) of a vector added at every token of one layer."""
        place = find_place(self.lm, "block_out", [layer])
        with torch.inference_mode(), PlaceHooks(self.lm, place, lambda _, hidden: hidden + vector.to(hidden)):
            steered = torch.log_softmax(forward(self.lm, self.ids, self.mask).logits.float(), dim=-1)
        told = (self.mask[:, 1:] * self.mask[:, :-1]).bool()
        kl = (steered.exp() * (steered - self.logprobs)).sum(-1)[:, :-1]
        gain = (steered - self.logprobs)[:, :-1].gather(2, self.ids[:, 1:, None]).squeeze(-1)
        split = self.positives
        effect = gain[:split][told[:split]].mean() - gain[split:][told[split:]].mean()
        return float(kl[split:][told[split:]].mean()), float(effect)

    def at_kl(self, layer: int, vector: Tensor, wanted: float) -> tuple[float, float]:
        """Return (strength, effect) where the KL is nearly as wanted."""
        strength, effect = 1.0, 0.0
        for step in range(_STEPS):
            kl, effect = self.measure(layer, strength * vector)
            if abs(kl / wanted - 1) < _NEAR or step == _STEPS - 1:
                break
            # The divergence grows with the square of a short vector's length.
            strength *= min(4.0, max(0.25, (wanted / max(kl, 1e-9)) ** 0.5))
        return strength, effect


def held_out(lm: LanguageModel, concept: Concept) -> HeldOut:
    """Read the texts of a concept unsteered."""
    texts = [*concept.positive, *concept.negative]
    ids, mask = pad_left([lm.encode(text, raw=True) for text in texts], lm.pad_id, lm.device)
    with torch.inference_mode():
        logprobs = torch.log_softmax(forward(lm, ids, mask).logits.float(), dim=-1)
    return HeldOut(lm, ids, mask, len(concept.positive), logprobs)


def part(concept: Concept, start: int, before: str) -> Concept:
    """Return every other pair of a concept."""
    sides = [tuple(before + text for text in side[start::2]) for side in (concept.positive, concept.negative)]
    return replace(concept, positive=sides[0], negative=sides[1])


def shares(lm: LanguageModel, concept: Concept, made: SteeringVector, strengths: dict[int, float]) -> dict[int, float]:
    """Return layer -> share of the demo model's texts that show a concept."""
    setting = Setting(TUNING_PROMPTS, (1,))
    recipes = [f"{made.name}:{strength:.4f}@{layer}" for layer, strength in strengths.items()]
    trials = run_trials(lm, recipes, {made.name: made}, setting)
    return {layer: trial.share(concept) for layer, trial in zip(strengths, trials, strict=True)}


@dataclass(frozen=True)
class Cell:
    """One vector at one layer."""

    effect: float
    share: float | None
    """Of the demo model's texts; None where none was written."""


Table = dict[str, list[Cell]]
"""Method and read position -> a cell for each layer."""


def measured(lm: LanguageModel, concept: Concept, options: argparse.Namespace) -> Table:
    """Return the table of one concept."""
    before = STARTS.get(lm.info.id, "")
    learnt, judged = part(concept, 0, before), held_out(lm, part(concept, 1, before))
    layers = list(range(lm.info.layers))
    found = {RANDOM: noise(learnt, judged, options.kl)}
    for method in options.methods:
        for read in options.reads if method != "gradient" else options.reads[:1]:
            made = extract(lm, [learnt], method=method, read=read, layers=layers)[concept.name]
            effects = {layer: judged.at_kl(layer, made.layers[layer], options.kl) for layer in layers}
            seen: dict[int, float] = {}
            if options.texts:
                seen = shares(lm, concept, made, {layer: strength for layer, (strength, _) in effects.items()})
            found[f"{method}, {read}"] = [Cell(effects[layer][1], seen.get(layer)) for layer in layers]
    return found


def noise(learnt: Concept, judged: HeldOut, kl: float) -> list[Cell]:
    """Return for each layer how far random directions reach, as a root mean square."""
    source = torch.Generator().manual_seed(len(learnt.name))
    vectors = extract(judged.lm, [learnt])[learnt.name].layers
    cells = []
    for layer, vector in vectors.items():
        drawn = [
            torch.nn.functional.normalize(torch.randn(len(vector), generator=source), dim=0) for _ in range(_RANDOMS)
        ]
        reached = [judged.at_kl(layer, float(vector.norm()) * one, kl)[1] for one in drawn]
        cells.append(Cell(math.sqrt(sum(effect**2 for effect in reached) / len(reached)), None))
    return cells


def show(title: str, tables: Sequence[Table]) -> None:
    """Print the mean of tables as Markdown; random directions as the noise of such a mean."""
    first = tables[0]
    print(f"\n**{title}**\n")
    print(f"| method, read | {' | '.join(f'layer {layer}' for layer in range(len(first[RANDOM])))} |")
    print(f"| --- | {' | '.join('---:' for _ in first[RANDOM])} |")
    for name in first:
        cells = []
        for each in zip(*(table[name] for table in tables), strict=True):
            if name == RANDOM:
                cells.append(f"±{100 * math.sqrt(sum(cell.effect**2 for cell in each)) / len(each):.0f}")
                continue
            cells.append(f"{100 * sum(cell.effect for cell in each) / len(each):+.0f}")
            shown = [cell.share for cell in each if cell.share is not None]
            if shown:
                cells[-1] += f" / {100 * sum(shown) / len(shown):.0f}"
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="demo, or a folder")
    parser.add_argument("concepts", nargs="*", default=["happy"])
    parser.add_argument("--kl", type=float, default=0.5)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--reads", nargs="+", default=list(READS))
    parser.add_argument("--texts", action="store_true", help="of the demo model: also let it write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lm = load_model(options.model if options.model == "demo" else str(Path(options.model).resolve()))
    tables = []
    for concept in bundled_concepts():
        if concept.name in options.concepts:
            tables.append(measured(lm, concept, options))
            show(f"{concept.name} on {lm.info.id}", tables[-1:])
    if len(tables) > 1:
        show(f"mean of {len(tables)} concepts on {lm.info.id}", tables)


if __name__ == "__main__":
    main()
