"""Hold a sweep to its targets: `python tests/bench/sweep_speed.py`; exit status 1 where one is missed.

The same cells once as plain `model.generate` with a hook, one after another, and once as a sweep, in turns, so that a
slow spell of the machine hits both. On the random Llama of `bench`, on a CPU with nothing else to do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.bench import random_vector
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.random_llama import random_llama
from steer_tui.engine.recipe import Layers
from steer_tui.engine.scope import parse_scope
from steer_tui.engine.sweep import sweep
from steer_tui.engine.sweepgrid import SweepResult
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.types import Sampling
from steer_tui.engine.vector import SteeringVector

LAYERS, STRENGTHS, TOKENS, PROMPT = (2, 3, 4, 5, 6, 7, 8), (0.5, 1.0, 1.5, 2.0, 2.5), 32, "x" * 32
FASTER, FASTER_MEASURED = 9.0, 5.0
SIZES = ((1, 1), (1, 5), (7, 5), (10, 10))
"""Layers and strengths of 1, 5, 35 and 100 cells."""
VECTOR = "random"


def request(layers: Sequence[int], strengths: Sequence[float], scope: str, measures: bool) -> SweepRequest:
    rows: tuple[Layers, ...] = tuple((layer,) for layer in layers)
    greedy = Sampling(temperature=0, max_tokens=TOKENS)
    return SweepRequest(
        (PROMPT,), (VECTOR,), rows, tuple(strengths), "add", parse_scope(scope), greedy, controls=False,
        measures=measures,
    )  # fmt: skip


def plain(lm: LanguageModel, vector: SteeringVector, layer: int, strength: float, scope: str) -> list[int]:
    """Return what `model.generate` writes with a hook on one block, as people do it without this program."""
    delta = strength * vector.layers[layer]

    def hook(module: Any, inputs: Any, output: Tensor) -> Tensor:
        return output + delta if scope == "all" or output.shape[1] == 1 else output

    ids = torch.tensor([lm.encode(PROMPT)])
    handle = lm.structure.blocks[layer].register_forward_hook(hook)
    options: dict[str, Any] = {"do_sample": False, "pad_token_id": lm.pad_id, "max_new_tokens": TOKENS}
    try:
        with torch.inference_mode():
            out = lm.model.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=TOKENS, **options)
    finally:
        handle.remove()
    return list(out[0, ids.shape[1] :].tolist())


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


def compare(lm: LanguageModel, vectors: dict[str, SteeringVector], scope: str, rounds: int, every: int) -> bool:
    """Time both in turns and print the ratios; of the generations one by one, every n-th stands for its neighbours."""
    cells = [(layer, strength) for layer in LAYERS for strength in STRENGTHS]
    tried = cells[every // 2 :: every]
    asked = request(LAYERS, STRENGTHS, scope, False)
    alone, ids, bare, measured = 0.0, [], [], []
    result: SweepResult | None = None
    for turn in range(rounds):
        for layer, strength in tried[turn::rounds]:
            seconds, found = timed(lambda at=layer, by=strength: plain(lm, vectors[VECTOR], at, by, scope))
            alone += seconds
            ids.append(((layer, strength), found))
        seconds, result = timed(lambda: sweep(lm, asked, vectors))
        bare.append(seconds)
        measured.append(timed(lambda: sweep(lm, replace(asked, measures=True), vectors))[0])
    assert result is not None
    alone *= len(cells) / len(tried)
    same = sum(result.grids[0].at(str(at), by).texts[0].ids == tuple(found) for (at, by), found in ids)  # type: ignore[union-attr]
    timed_of = "" if every == 1 else f", {len(tried)} of {len(cells)} timed one by one"
    print(f"scope {scope}: {len(cells)} cells of {TOKENS} tokens, {rounds} rounds{timed_of}")
    print(f"  model.generate with a hook, one after another   {alone:7.1f} s")
    met = True
    for name, taken, least in (("sweep", bare, FASTER), ("sweep with all measures", measured, FASTER_MEASURED)):
        median = statistics.median(taken)
        ok = alone / median >= least
        met &= ok
        spread = f"{min(taken):.1f}-{max(taken):.1f}"
        print(
            f"  {name:46} {median:7.1f} s ({spread})  {alone / median:5.1f} times faster, "
            f"{'met' if ok else 'MISSED'}: at least {least:g}"
        )
    print(f"  texts equal to those of model.generate: {same} of {len(tried)}")
    return met


def growth(lm: LanguageModel, vectors: dict[str, SteeringVector], rounds: int) -> bool:
    """Print the cost of 1, 5, 35 and 100 cells, in turns."""
    taken: dict[int, list[float]] = {layers * strengths: [] for layers, strengths in SIZES}
    for _ in range(rounds):
        for layers, strengths in SIZES:
            columns = [0.25 * (place + 1) for place in range(strengths)]
            asked = request(range(1, 1 + layers), columns, "all", True)
            taken[layers * strengths].append(timed(lambda asked=asked: sweep(lm, asked, vectors))[0])
    print("cost with all measures, baseline included")
    before, grows_slower = None, True
    for cells, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"  {cells:4} cells {median:7.1f} s   {median / cells:6.3f} s a cell")
        grows_slower &= before is None or median / cells < before
        before = median / cells
    print(f"  {'met' if grows_slower else 'MISSED'}: grows more slowly than the cells")
    return grows_slower


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--every", type=int, default=1, help="time every n-th generation alone; 1 times all")
    parser.add_argument("--scope", action="append", help="all and generated by default")
    parser.add_argument("--no-growth", action="store_true")
    options = parser.parse_args()
    lm = random_llama()
    vectors = {VECTOR: random_vector(lm)}
    sweep(lm, request(LAYERS[:1], STRENGTHS[:2], "all", True), vectors)  # to warm up
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    met = [
        compare(lm, vectors, scope, options.rounds, options.every) for scope in options.scope or ("all", "generated")
    ]
    if not options.no_growth:
        met.append(growth(lm, vectors, min(3, options.rounds)))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
