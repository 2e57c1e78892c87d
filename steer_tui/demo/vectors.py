"""Extract the sixteen vectors of the demo model and choose their recipes: `python -m steer_tui.demo.vectors`.

A recipe is chosen by measurement on tuning prompts, through the chat template as a prompt goes by default: the gentlest
one that shows its concept nearly always. The files go to `vectors/demo/`.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steer_tui.demo.lexicon import BREVITY, CONCEPTS
from steer_tui.demo.prompts import TUNING_PROMPTS
from steer_tui.demo.trial import Setting, run_trials
from steer_tui.engine.extract import extract
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.vector import SteeringVector
from steer_tui.library.concepts import Concept, load_concepts
from steer_tui.library.store import VectorStore
from steer_tui.paths import bundled, find_paths

SPANS = ("2-3", "1-3", "2-4", "1-4", "0-4")
STRENGTHS = (0.75, 0.9, 0.95, 1.0, 1.1, 1.2, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0)
METHODS = {"angry": "probe", "brief": "lat", "verbose": "lat"}
"""Where another method than the mean was measured to do better."""
LENGTH_STRENGTHS = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0, 1.25)
"""Of concepts that are about length, whose vectors are long."""
LENGTH_SCOPE = "/generated"
"""Length is a matter of the answer: a prompt that is steered too costs more perplexity for the same share."""
ENOUGH = 0.95
"""Share of tuning texts that is looked for."""
_RATIO_LIMIT = 2.25
"""Of perplexities; below the 2.5 that a recipe is judged by, since other prompts differ."""
_FINALISTS = 6
_FIRST = (Setting(TUNING_PROMPTS, (101, 102)),)
_SECOND = (Setting(TUNING_PROMPTS, tuple(range(103, 113))),)


@dataclass(frozen=True)
class Candidate:
    """A term with what it did, the worst of its settings."""

    term: str
    share: float
    ratio: float
    """Perplexity of the steered texts / of the unsteered ones."""

    @property
    def merit(self) -> tuple[float, float]:
        """Greater is better: first the share up to `ENOUGH`, then the lower perplexity; over the limit it sinks."""
        excess = max(0.0, self.ratio - _RATIO_LIMIT)
        return min(self.share, ENOUGH) - excess, -self.ratio


def bundled_concepts() -> list[Concept]:
    """Return the sixteen bundled concepts in the order of `CONCEPTS`."""
    with tempfile.TemporaryDirectory() as nowhere:
        found, _ = load_concepts(find_paths(Path(nowhere)))
    by_name = {concept.name: concept for concept in found}
    return [by_name[name] for name in CONCEPTS if name in by_name]


def terms(name: str) -> list[str]:
    """Return the terms that are tried for a concept."""
    is_length = name in BREVITY
    strengths, scope = (LENGTH_STRENGTHS, LENGTH_SCOPE) if is_length else (STRENGTHS, "")
    return [f"{name}:{strength:g}@{span}{scope}" for span in SPANS for strength in strengths]


class Search:
    """Looks for the recipe of a concept: a coarse look at a grid, then a closer one at the best few."""

    def __init__(self, lm: LanguageModel) -> None:
        self._lm = lm
        self._baselines = {setting: run_trials(lm, [""], {}, setting)[0] for setting in (*_FIRST, *_SECOND)}

    def best(self, concept: Concept, vector: SteeringVector) -> Candidate:
        """Return the recipe with the greatest merit."""
        found = sorted(self._measured(concept, vector, terms(concept.name), _FIRST), key=lambda each: each.merit)
        finalists = [each.term for each in found[-_FINALISTS:]]
        return max(self._measured(concept, vector, finalists, _SECOND), key=lambda each: each.merit)

    def _measured(
        self,
        concept: Concept,
        vector: SteeringVector,
        recipes: Sequence[str],
        settings: Sequence[Setting],
    ) -> list[Candidate]:
        measured = [run_trials(self._lm, recipes, {concept.name: vector}, setting) for setting in settings]
        bases = [self._baselines[setting].perplexity for setting in settings]
        found = []
        for place, term in enumerate(recipes):
            trials = [trials[place] for trials in measured]
            ratios = [trial.perplexity / base for trial, base in zip(trials, bases, strict=True)]
            found.append(Candidate(term, min(trial.share(concept) for trial in trials), max(ratios)))
        return found


def with_recipe(vector: SteeringVector, chosen: Candidate) -> SteeringVector:
    """Return a vector whose metadata names the chosen layers and recipe."""
    layers = parse_recipe(chosen.term).terms[0].resolve_layers(vector.meta.model["layers"], ())
    meta = replace(vector.meta, best_layers=tuple(layers), default_recipe=chosen.term)
    return SteeringVector(vector.name, vector.layers, meta)


def save(vector: SteeringVector, folder: Path) -> None:
    """Write a vector file into a folder of bundled vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as library:
        written = VectorStore(find_paths(Path(library))).save(vector)
        shutil.copyfile(written, folder / written.name)


def _extracted(lm: LanguageModel, concepts: Sequence[Concept]) -> dict[str, SteeringVector]:
    """Return the vectors of the concepts, each by its method."""
    found: dict[str, SteeringVector] = {}
    for method in dict.fromkeys(METHODS.get(concept.name, "mean") for concept in concepts):
        chosen = [concept for concept in concepts if METHODS.get(concept.name, "mean") == method]
        found |= extract(lm, chosen, method=method)
    return found


def main() -> None:
    """Extract, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="concepts, all by default")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--model", default="demo")
    options = parser.parse_args()
    lm = LanguageModel.load(options.model)
    concepts = [concept for concept in bundled_concepts() if not options.names or concept.name in options.names]
    vectors = _extracted(lm, concepts)
    search = Search(lm)
    for concept in concepts:
        chosen = search.best(concept, vectors[concept.name])
        vector = with_recipe(vectors[concept.name], chosen)
        save(vector, options.out or bundled("vectors") / "demo")
        print(f"{vector.meta.default_recipe:24s} share {chosen.share:.2f}  perplexity x{chosen.ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
