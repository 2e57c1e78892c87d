"""The decode core beside transformers' own loop, and rows beside themselves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.quick_linear import OWN, QuickLinear
from steer_tui.engine.types import Sampling
from tests.unit.decoding import TOKENS, by_transformers, drawn, greedy, ids_of, terms
from tests.unit.tiny import (
    BLOCKS,
    KINDS,
    hooked,
    left_behind,
    new_lm,
    new_vectors,
    random_ids,
    shared_lm,
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 2, 9])
def test_unsteered_greedy_ids_are_those_of_transformers(kind: str, length: int) -> None:
    lm = shared_lm(kind)
    prompt = random_ids(lm, length, seed=length)
    assert ids_of(lm, [greedy(prompt)]) == [by_transformers(lm, prompt)]


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_also_with_a_steered_row_beside_them(kind: str) -> None:
    lm, moved = shared_lm(kind), []
    for seed, recipe in enumerate(("happy:20", "happy:9/generated", "sad:0.7@all~keepnorm/last")):
        prompt = random_ids(lm, 6, seed)
        steered, plain = ids_of(lm, [greedy(prompt, terms(lm, recipe)), greedy(prompt)])
        assert plain == by_transformers(lm, prompt)
        moved.append(steered != plain)
    assert any(moved)


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_also_in_a_padded_batch(kind: str) -> None:
    lm = shared_lm(kind)
    prompts = [random_ids(lm, length, seed=length) for length in (1, 12, 5, 8)]
    assert ids_of(lm, [greedy(prompt) for prompt in prompts]) == [by_transformers(lm, prompt) for prompt in prompts]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_greedy_ids_are_those_of_transformers(dtype: torch.dtype) -> None:
    lm = new_lm(dtype=dtype)
    prompt = random_ids(lm, 7)
    assert ids_of(lm, [greedy(prompt)]) == [by_transformers(lm, prompt)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heat", [0.7, 1.5])
def test_a_recipe_of_strength_zero_gives_the_unsteered_text(kind: str, heat: float) -> None:
    lm = shared_lm(kind)
    for seed in range(4):
        sampling = Sampling(temperature=heat, seed=seed, max_tokens=TOKENS)
        prompt = random_ids(lm, 5, seed)
        rows = [Row(prompt, terms(lm, "happy:0,sad:0@all~keepnorm"), sampling), Row(prompt, (), sampling)]
        steered, plain = ids_of(lm, rows)
        assert steered == plain


def test_the_same_seed_gives_the_same_ids_and_another_seed_others() -> None:
    lm, prompt = shared_lm(), random_ids(shared_lm(), 5)

    def run(seed: int) -> list[int]:
        return ids_of(lm, [Row(prompt, terms(lm, "happy"), Sampling(1.0, seed=seed, max_tokens=TOKENS))])[0]

    assert run(1) == run(1) != run(2)


def test_a_sampled_row_is_the_same_alone_and_in_any_company() -> None:
    lm = shared_lm()
    rows = [
        Row(random_ids(lm, 3 + row % 4, row), terms(lm, f"happy:{row % 3}"), Sampling(0.9, 0.9, 20, row, 8 + 3 * row))
        for row in range(6)
    ]
    together = ids_of(lm, rows)
    assert together == [ids_of(lm, [row])[0] for row in rows]
    assert together == ids_of(lm, rows[::-1])[::-1]


@pytest.mark.parametrize("sampling", [Sampling(1.0, top_k=1), Sampling(1.0, top_p=1e-9), Sampling(1e-9)])
def test_the_narrowest_samplings_are_greedy(sampling: Sampling) -> None:
    lm, prompt = shared_lm(), random_ids(shared_lm(), 5)
    narrow = Sampling(sampling.temperature, sampling.top_p, sampling.top_k, 5, TOKENS)
    assert ids_of(lm, [Row(prompt, (), narrow)]) == ids_of(lm, [greedy(prompt)])


@pytest.mark.parametrize("kind", KINDS)
def test_an_end_token_stops_its_row_and_changes_no_other(kind: str) -> None:
    lm = new_lm(kind)
    rows = [Row(random_ids(lm, 3 + row, row), (), Sampling(1.2, seed=row, max_tokens=TOKENS)) for row in range(5)]
    free = ids_of(lm, rows)
    lm.eos_ids = frozenset({free[0][4], free[2][1], free[4][9]})
    found = drawn(lm, rows)
    for row, tokens in zip(found, free, strict=True):
        ends = [place for place, token in enumerate(tokens) if token in lm.eos_ids]
        stop = ends[0] + 1 if ends else TOKENS
        assert [token.id for token in row] == tokens[:stop]
        assert [token.finish for token in row[:-1]] == [None] * (stop - 1)
        assert row[-1].finish == ("stop" if ends else "length")
    assert len({len(row) for row in found}) > 1


def test_transformers_stops_at_the_same_end_token() -> None:
    lm = new_lm()
    prompt = random_ids(lm, 4)
    end = by_transformers(lm, prompt)[7]
    lm.model.generation_config.eos_token_id = end
    lm.eos_ids = frozenset({end})
    assert ids_of(lm, [greedy(prompt)]) == [by_transformers(lm, prompt)]


def test_rows_end_at_their_own_number_of_tokens_none_included() -> None:
    lm = shared_lm()
    rows = [greedy(random_ids(lm, 4, row), tokens=count) for row, count in enumerate((3, 0, 1, 7, 0))]
    found = drawn(lm, rows)
    assert [len(row) for row in found] == [3, 0, 1, 7, 0]
    assert [row[-1].finish for row in found if row] == ["length"] * 3
    assert drawn(lm, [greedy([5, 6], tokens=0)]) == [[]]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_models_context_is_never_exceeded(kind: str) -> None:
    size = {"max_position_embeddings": 16} if kind == "llama" else {"n_positions": 16}
    lm = new_lm(kind, **size)
    found = drawn(lm, [greedy(random_ids(lm, length), tokens=100) for length in (10, 15, 16, 3)])
    assert [len(row) for row in found] == [6, 1, 0, 13]
    assert found[0][-1].finish == "length"


def test_logprobs_are_those_of_the_plain_model() -> None:
    lm, prompt = shared_lm(), random_ids(shared_lm(), 5)
    row = drawn(lm, [Row(prompt, (), Sampling(0.6, 0.8, 30, 1, TOKENS))])[0]
    ids = [token.id for token in row]
    logits = lm.model(torch.tensor([prompt + ids])).logits[0].detach()
    wanted = torch.log_softmax(logits, -1)[range(4, 4 + TOKENS), ids]
    torch.testing.assert_close(torch.tensor([token.logprob for token in row]), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "acting"),
    [
        ("happy", {0, 1, 2, 3, 4, 5}),
        ("happy/prompt", {0}),
        ("happy/last", {0}),
        ("happy/generated", {1, 2, 3, 4, 5}),
        ("happy/first=3", set()),
        ("happy/after=6", {2, 3, 4, 5}),
        ("happy/pos=4..5", {0, 1}),
        ("", set()),
    ],
)
def test_a_token_says_whether_its_step_was_steered(recipe: str, acting: set[int]) -> None:
    lm = shared_lm()
    rows = [greedy(random_ids(lm, 5), terms(lm, recipe), 6), greedy(random_ids(lm, 5), tokens=6)]
    steered, plain = drawn(lm, rows)
    assert {place for place, token in enumerate(steered) if token.steered} == acting
    assert not any(token.steered for token in plain)


@pytest.mark.parametrize("recipe", ["happy:2", "happy:2/generated"])
def test_statistics_are_those_of_the_states_that_the_blocks_gave(recipe: str) -> None:
    lm = shared_lm()
    prompts = [random_ids(lm, 4), random_ids(lm, 4)]
    seen: list[dict[int, Tensor]] = []
    rows = [greedy(prompts[0], terms(lm, recipe), 5), greedy(prompts[1], tokens=3)]
    with Decoder(lm, rows, watch=range(BLOCKS)) as decoder:
        decoder.follow(new_vectors(lm, "happy"))
        with hooked(lm, lambda layer, hidden: seen[-1].__setitem__(layer, hidden[:, -1].clone())):
            while decoder.alive:
                seen.append({})
                for place, token in enumerate(decoder.step()):
                    assert token.stats is not None
                    for layer in range(BLOCKS):
                        # Equal prompts that nothing steers are read once, for all rows.
                        state = seen[-1][layer][min(place, len(seen[-1][layer]) - 1)]
                        assert token.stats.norm[layer] == pytest.approx(float(state.norm()), rel=1e-4)
                        assert token.stats.mean[layer] == pytest.approx(float(state.mean()), abs=1e-4)
                        assert (token.stats.added[layer] > 0) == (token.steered and layer in (1, 2))


def test_other_terms_are_in_force_with_the_very_next_step() -> None:
    lm = shared_lm()
    newest: dict[int, Tensor] = {}
    plain: dict[int, Tensor] = {}
    vectors = new_vectors(lm, "happy")

    def before(layer: int, hidden: Tensor) -> None:
        plain[layer] = hidden[:, -1].clone()

    def after(layer: int, hidden: Tensor) -> None:
        newest[layer] = hidden[:, -1].clone()

    with hooked(lm, before), Decoder(lm, [greedy(random_ids(lm, 4)), greedy(random_ids(lm, 6))]) as decoder:
        decoder.step()
        for strength in (2.0, -1.0, 0.5):
            decoder.steer({0: terms(lm, f"happy:{strength}@2")})
            with hooked(lm, after):
                decoder.step()
            torch.testing.assert_close(
                newest[2][0] - plain[2][0], strength * vectors["happy"].layers[2], atol=1e-4, rtol=0
            )
            assert torch.equal(newest[2][1], plain[2][1]) and torch.equal(newest[1], plain[1])
        decoder.steer({0: ()})
        with hooked(lm, after):
            decoder.step()
        assert torch.equal(newest[2], plain[2])


def test_no_hook_is_added_or_lost_from_step_to_step() -> None:
    lm, made = new_lm(), []
    original = nn.Module.register_forward_hook

    def counted(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        made.append(module)
        return original(module, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Module, "register_forward_hook", counted)
        drawn(lm, [greedy(random_ids(lm, 4), terms(lm, "happy@1")), greedy(random_ids(lm, 4))], watch=range(BLOCKS))
    assert len(made) == BLOCKS


@pytest.mark.parametrize("form", [OWN, "columns", "onednn"])
def test_nothing_stays_on_the_model_whatever_is_raised(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuickLinear, "_quickest", lambda self, rows: dict.fromkeys(self._shapes, form))
    lm = new_lm()
    row = greedy(random_ids(lm, 4), terms(lm, "happy"))
    with pytest.raises(ZeroDivisionError), Decoder(lm, [row, row], watch=range(BLOCKS)) as decoder:
        decoder.step()
        assert left_behind(lm)
        raise ZeroDivisionError
    assert not left_behind(lm)


def test_nothing_stays_where_a_gate_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuickLinear, "_quickest", lambda self, rows: dict.fromkeys(self._shapes, "onednn"))
    lm = new_lm()
    row = greedy(random_ids(lm, 4), terms(lm, "happy?sad>0"))

    def fail(layer: int, hidden: Tensor) -> None:
        raise RuntimeError("no memory")

    decoder = Decoder(lm, [row], watch=range(BLOCKS))
    handles = hooked(lm, fail)
    with handles, pytest.raises(RuntimeError, match="no memory"), decoder:
        pass
    assert not left_behind(lm)


def test_half_a_step_that_failed_leaves_the_model_clean() -> None:
    lm = new_lm()
    wanted = by_transformers(lm, [5, 6, 7])

    def fail(layer: int, hidden: Tensor) -> None:
        if layer == 2:
            raise torch.OutOfMemoryError("out of memory")

    with hooked(lm, fail), pytest.raises(torch.OutOfMemoryError):
        drawn(lm, [greedy([5, 6, 7], terms(lm, "happy"))])
    assert not left_behind(lm)
    assert ids_of(lm, [greedy([5, 6, 7])]) == [wanted]
