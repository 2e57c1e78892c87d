"""Vectors of many concepts at all layers: one text at a time, in plain batches, and as `extract` does, in one run.

`python tests/bench/extraction.py [--pairs 24] [--words 10] [--share 1.0]` builds the random Llama of 134M weights
and reads the beginnings of the bundled concepts' texts, a token for each word. The first two ways are those of common
tools: the whole model with its logits, all hidden states kept, texts in the order they come. The longer the texts, the
less there is to gain: one text of many tokens keeps a processor nearly as busy as many texts do.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from steer_tui.demo.vectors import bundled_concepts
from steer_tui.engine.extract import extract
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.prompt import pad_left, positions
from steer_tui.engine.random_llama import NumberTokenizer, random_llama
from steer_tui.library.concepts import Concept

_PLAIN_BATCH = 16


class WordTokenizer(NumberTokenizer):
    """Gives every word a token of its own, as tokenizers with many tokens nearly do."""

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Return one id per word."""
        return {"input_ids": [zlib.crc32(word.encode()) % 32_000 for word in text.split()]}


def shortened(concept: Concept, pairs: int, words: int) -> Concept:
    """Return a concept's first pairs, the first words of each text."""
    cut = [
        tuple(" ".join(text.split()[:words]) for text in side[:pairs]) for side in (concept.positive, concept.negative)
    ]
    return replace(concept, positive=cut[0], negative=cut[1])


def plain(lm: LanguageModel, concepts: Sequence[Concept], size: int) -> dict[str, torch.Tensor]:
    """Return (L, D) per concept from batches of `size` texts, read one concept after the other."""
    found = {}
    for concept in concepts:
        sides = []
        for texts in (concept.positive, concept.negative):
            rows = [lm.encode(text, raw=True) for text in texts]
            total = torch.zeros(lm.info.layers, lm.info.width)
            for start in range(0, len(rows), size):
                ids, mask = pad_left(rows[start : start + size], lm.pad_id)
                with torch.inference_mode():
                    states = lm.model(
                        input_ids=ids, attention_mask=mask, position_ids=positions(mask), output_hidden_states=True
                    ).hidden_states[1:]
                share = mask.float() / mask.sum(dim=1, keepdim=True)
                total += torch.stack([(state * share.unsqueeze(-1)).sum(dim=(0, 1)) for state in states])
            sides.append(total / len(texts))
        found[concept.name] = sides[0] - sides[1]
    return found


def main() -> None:
    """Print the seconds of each way and what `extract` gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--words", type=int, default=10, help="of each text")
    parser.add_argument("--share", type=float, default=1.0, help="of the texts that are read one at a time")
    options = parser.parse_args()
    lm = LanguageModel(random_llama().model, WordTokenizer(32_000), ref="random-llama", id="random-llama")
    concepts = [shortened(one, options.pairs, options.words) for one in bundled_concepts()]
    few = concepts[: max(1, round(len(concepts) * options.share))]
    texts = sum(len(one.positive) + len(one.negative) for one in concepts)
    print(f"{len(concepts)} concepts, {texts} texts of {options.words} words, {torch.get_num_threads()} threads")
    extract(lm, concepts[:1])
    ways: dict[str, Callable[[], object]] = {
        "extract": lambda: extract(lm, concepts),
        "plain batches": lambda: plain(lm, concepts, _PLAIN_BATCH),
        "extract again": lambda: extract(lm, concepts),
        "one at a time": lambda: plain(lm, few, 1),
    }
    seconds = {}
    for name, way in ways.items():
        begun = time.perf_counter(), time.process_time()
        way()
        whole = len(concepts) / len(few) if name == "one at a time" else 1.0
        seconds[name] = ((time.perf_counter() - begun[0]) * whole, (time.process_time() - begun[1]) * whole)
        print(f"{name:16s} {seconds[name][0]:7.2f} s, {seconds[name][1]:7.2f} s of processor time", flush=True)
    for place, what in enumerate(("time", "processor time")):
        best = (seconds["extract"][place] + seconds["extract again"][place]) / 2
        for name in ("plain batches", "one at a time"):
            print(f"{name} / extract, {what}: {seconds[name][place] / best:.1f}")


if __name__ == "__main__":
    main()
