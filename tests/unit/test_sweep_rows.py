"""A cell's row in a batch is the same row alone: every operator and scope, four architectures, greedy and sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.generate import generate
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.parting import can_part
from steer_tui.engine.recipe import OPS, Layers
from steer_tui.engine.scope import parse_scope
from steer_tui.engine.sweep import sweep
from steer_tui.engine.sweeprequest import SweepRequest
from steer_tui.engine.types import Request, Sampling
from tests.unit.architectures import ARCHITECTURES, architecture
from tests.unit.decoding import terms
from tests.unit.tiny import KINDS, hooked, left_behind, new_vectors, random_ids, shared_lm

SCOPES = ("all", "prompt", "generated", "last", "first=3", "after=7", "pos=2..8")
LAYERS = ("0", "1-2", "3", "best", "0+2")
STRENGTHS = (2.0, -1.5, 0.7, 0.0)
TOKENS = 10
CLOSE = 2e-4
PROMPT = "The meeting went"


def recipes() -> list[str]:
    """Return every operator at every scope, layers and strengths taking turns."""
    pairs = [(op, scope) for op in OPS for scope in SCOPES]
    return [
        f"happy:{STRENGTHS[place % len(STRENGTHS)]}@{LAYERS[place % len(LAYERS)]}~{op}/{scope}"
        for place, (op, scope) in enumerate(pairs)
    ]


def traced(lm: LanguageModel, rows: Sequence[Row]) -> tuple[list[list[int]], list[Tensor]]:
    """Return each row's ids and the logits (n, V) that they were drawn from."""
    ids: list[list[int]] = [[] for _ in rows]
    logits: list[list[Tensor]] = [[] for _ in rows]
    with Decoder(lm, rows) as decoder:
        while decoder.alive:
            for place, token in enumerate(decoder.step()):
                assert decoder.last_logits is not None
                ids[token.row].append(token.id)
                logits[token.row].append(decoder.last_logits[place].clone())
    return ids, [torch.stack(row) for row in logits]


@pytest.mark.parametrize("lengths", [(6,), (5, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_rows_are_those_of_the_same_rows_alone(kind: str, lengths: tuple[int, ...]) -> None:
    lm = shared_lm(kind)
    greedy = Sampling(temperature=0, max_tokens=TOKENS)
    prompts = [random_ids(lm, length, length) for length in lengths]
    rows = [Row(prompts[place % len(prompts)], terms(lm, line), greedy) for place, line in enumerate(recipes())]
    together, logits = traced(lm, rows)
    for place, row in enumerate(rows):
        alone, wanted = traced(lm, [row])
        assert together[place] == alone[0], recipes()[place]
        torch.testing.assert_close(logits[place], wanted[0], atol=CLOSE, rtol=0)
    assert len({tuple(ids) for ids in together}) > 4
    assert not left_behind(lm)


@pytest.mark.parametrize("kind", KINDS)
def test_sampled_rows_are_too_save_at_a_boundary(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    lm = shared_lm(kind)
    prompt = random_ids(lm, 6, 1)
    rows = [
        Row(prompt, terms(lm, line), Sampling(temperature=1.0, top_p=0.95, seed=place, max_tokens=TOKENS))
        for place, line in enumerate(recipes())
    ]
    together, logits = traced(lm, rows)
    differing = 0
    for place, row in enumerate(rows):
        alone, wanted = traced(lm, [row])
        same = next((at for at in range(TOKENS) if together[place][at] != alone[0][at]), TOKENS)
        torch.testing.assert_close(logits[place][: same + 1], wanted[0][: same + 1], atol=CLOSE, rtol=0)
        differing += same < TOKENS
    with capsys.disabled():
        print(f"\n{kind}: {differing} of {len(rows)} sampled rows ({differing / len(rows):.1%}) fell at a boundary")
    assert differing <= len(rows) // 50


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rows_part_where_they_are_steered_and_not_before(name: str) -> None:
    lm = architecture(name)
    before = left_behind(lm)  # transformers leaves its own where a test asked it for hidden states
    prompt = random_ids(lm, 7)
    lines = ("happy:3@1", "happy:-3@1", "happy:2@2", "happy:2@1+2~rotate", "happy:1@2/generated", "")
    rows = [Row(prompt, terms(lm, line), Sampling(temperature=0, max_tokens=5)) for line in lines]
    seen: dict[int, list[int]] = {}
    with hooked(lm, lambda layer, hidden: seen.setdefault(layer, []).append(len(hidden))):
        together, logits = traced(lm, rows)
    if can_part(lm):
        # One row for all; then three that part at block 1, and the rest, which parts at block 2.
        assert [seen[layer][-5] for layer in range(3)] == [1, 1, 4]
    for place, row in enumerate(rows):
        alone, wanted = traced(lm, [row])
        assert together[place] == alone[0]
        torch.testing.assert_close(logits[place], wanted[0], atol=CLOSE, rtol=1e-4)
    assert left_behind(lm) == before


def test_most_models_let_rows_part() -> None:
    assert sum(can_part(architecture(name)) for name in ARCHITECTURES) >= len(ARCHITECTURES) - 3


def request(op: str, scope: str, sampling: Sampling, prompts: tuple[str, ...] = (PROMPT,)) -> SweepRequest:
    rows: tuple[Layers, ...] = ((1,), (0, 2))
    return SweepRequest(
        prompts, ("happy",), rows, (1.0, -2.0), op, parse_scope(scope), sampling, seeds=(3, 4), controls=False
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "op, scope", [("add", "all"), ("keepnorm", "generated"), ("set", "last"), ("rotate", "after=9")]
)
def test_a_cell_is_what_generate_gives(kind: str, op: str, scope: str) -> None:
    lm = shared_lm(kind)
    vectors = new_vectors(lm, "happy")
    for sampling in (Sampling(temperature=0, max_tokens=6), Sampling(temperature=0.8, max_tokens=6)):
        asked = request(op, scope, sampling, (PROMPT, "I am so happy today"))
        grid = sweep(lm, asked, vectors).grids[0]
        assert len(grid.cells) == 4
        for cell in grid.cells[1:3]:
            for text in cell.texts[::3]:
                drawn = replace(sampling, seed=text.seed)
                wanted = generate(lm, Request(asked.prompts[text.prompt], cell.recipe, drawn), vectors)
                assert (text.ids, text.text, text.finish) == (
                    wanted.steered.ids,
                    wanted.steered.text,
                    wanted.steered.finish,
                )
                assert wanted.measures is not None and wanted.baseline is not None
                assert text.concept == pytest.approx(wanted.measures.concepts["happy"][0], rel=1e-3, abs=1e-4)
                assert text.perplexity == pytest.approx(wanted.measures.perplexity[0], rel=1e-3)
                assert text.kl_mean == pytest.approx(wanted.measures.kl_mean, rel=1e-3, abs=1e-5)
                assert grid.baseline is not None
                place = text.prompt * 2 + (text.seed - 3)
                assert grid.baseline.texts[place].ids == wanted.baseline.ids
    assert not left_behind(lm)
