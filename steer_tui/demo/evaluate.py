"""Judge the shipped recipes of the demo model: `python -m steer_tui.demo.evaluate`.

For each concept: the share of texts that show it (by the words of its concept file, by length for brevity) unsteered,
with its default recipe, and with the strength reversed; and the perplexity under the unsteered model, steered over
unsteered. Twenty prompts, five seeds, temperature 0.7.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from steer_tui.demo.prompts import PROMPTS
from steer_tui.demo.scoring import BRIEF_AT_MOST, VERBOSE_AT_LEAST
from steer_tui.demo.trial import MAX_TOKENS, TEMPERATURE, Setting, Trial, run_trials
from steer_tui.demo.vectors import bundled_concepts
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.vector import SteeringVector
from steer_tui.library.concepts import Concept
from steer_tui.library.store import VectorStore
from steer_tui.paths import bundled, find_paths

WANTED_SHARE = 0.8
WANTED_RATIO = 2.5


@dataclass(frozen=True)
class Verdict:
    """One line of the table."""

    concept: str
    recipe: str
    baseline: float
    steered: float
    negative: float
    ratio: float
    """Perplexity of the steered texts / of the unsteered ones."""
    example: str

    @property
    def is_met(self) -> bool:
        """Whether the concept shows, the text stays likely, and the reverse strength lowers the share."""
        reversed_lowers = self.negative < self.baseline or self.negative == 0.0
        return self.steered >= WANTED_SHARE and self.ratio < WANTED_RATIO and reversed_lowers


def reversed_recipe(recipe: str) -> str:
    """Return a recipe with the sign of every strength changed."""
    terms = []
    for part in recipe.split(","):
        term = parse_recipe(part).terms[0]
        terms.append(part.replace(f":{term.strength:g}", f":{-term.strength:g}", 1))
    return ",".join(terms)


def shipped_vectors(concepts: Sequence[Concept], folder: Path) -> dict[str, SteeringVector]:
    """Return the vectors in a folder of vector files that belong to the concepts."""
    store = VectorStore(find_paths())
    paths = {concept.name: folder / f"{concept.name}.safetensors" for concept in concepts}
    return {name: store.load(path) for name, path in paths.items() if path.is_file()}


def judge(
    lm: LanguageModel, concepts: Sequence[Concept], vectors: dict[str, SteeringVector], setting: Setting
) -> Iterator[Verdict]:
    """Yield a verdict per concept that has a vector with a recipe."""
    base = run_trials(lm, [""], {}, setting)[0]
    for concept in concepts:
        vector = vectors.get(concept.name)
        recipe = vector.meta.default_recipe if vector is not None else None
        if recipe is None:
            continue
        steered, negative = run_trials(lm, [recipe, reversed_recipe(recipe)], vectors, setting)
        yield _verdict(concept, recipe, base, steered, negative)


def _verdict(concept: Concept, recipe: str, base: Trial, steered: Trial, negative: Trial) -> Verdict:
    return Verdict(
        concept.name,
        recipe,
        base.share(concept),
        steered.share(concept),
        negative.share(concept),
        steered.perplexity / base.perplexity,
        steered.texts[0],
    )


def line(verdict: Verdict) -> str:
    """Return a verdict as one line of the table."""
    return (
        f"{verdict.concept:13s} {verdict.recipe:22s} {verdict.baseline:8.0%} {verdict.steered:8.0%} "
        f"{verdict.negative:9.0%} {verdict.ratio:11.2f}  {'yes' if verdict.is_met else 'NO'}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="concepts, all by default")
    parser.add_argument("--raw", action="store_true", help="without the chat template")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--texts", action="store_true", help="show a steered text of each concept")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--vectors", type=Path, default=None, help="folder of vector files")
    options = parser.parse_args()
    lm = LanguageModel.load(options.model)
    concepts = [concept for concept in bundled_concepts() if not options.names or concept.name in options.names]
    vectors = shipped_vectors(concepts, options.vectors or bundled("vectors") / "demo")
    setting = Setting(PROMPTS, tuple(range(options.seeds)), options.raw)
    print(
        f"{len(PROMPTS)} prompts x {options.seeds} seeds, temperature {TEMPERATURE}, at most {MAX_TOKENS} tokens, "
        f"{'raw' if options.raw else 'chat template'}\n"
        f"brief: {BRIEF_AT_MOST} words or fewer; verbose: {VERBOSE_AT_LEAST} words or more\n\n"
        f"{'concept':13s} {'recipe':22s} baseline  steered  reversed  perplexity  met"
    )
    verdicts = []
    for verdict in judge(lm, concepts, vectors, setting):
        verdicts.append(verdict)
        print(line(verdict), flush=True)
        if options.texts:
            print(f"    {verdict.example}")
    print(f"\n{sum(verdict.is_met for verdict in verdicts)} of {len(verdicts)} met")


if __name__ == "__main__":
    main()
