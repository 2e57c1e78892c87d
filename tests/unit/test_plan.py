"""Steering under a KV cache and in padded batches is steering of one full pass over each row alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from steer_tui.engine.decode import Decoder, Row
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.plan import Plan
from steer_tui.engine.recipe import OPS, parse_recipe
from steer_tui.engine.resolve import ActiveTerm, resolve
from steer_tui.engine.types import Sampling
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import RecipeError, ShapeMismatch
from tests.unit.reference import steered_pass
from tests.unit.tiny import KINDS, WIDTH, hooked, new_lm, new_vector, new_vectors, random_ids, shared_lm

SCOPES = ("all", "prompt", "generated", "last", "first=3", "after=4", "pos=2..5", "pos=8..10")
TOKENS = 6


def resolved(lm: LanguageModel, text: str, vectors: Mapping[str, SteeringVector]) -> tuple[ActiveTerm, ...]:
    return resolve(parse_recipe(text), vectors, lm.info.layers, lm.info.width)


def decoded(lm: LanguageModel, rows: Sequence[Row]) -> tuple[list[list[int]], list[list[Tensor]]]:
    """Decode a batch; return each row's ids and its block outputs [row][layer] (T, D), padding cut away."""
    seen: list[dict[int, Tensor]] = []
    ids: list[list[int]] = [[] for _ in rows]
    with Decoder(lm, rows) as decoder:

        def keep(layer: int, hidden: Tensor) -> None:
            seen[-1][layer] = hidden.clone()

        with hooked(lm, keep):
            while decoder.alive:
                seen.append({})
                for token in decoder.step():
                    ids[token.row].append(token.id)
    states = []
    for row, given in enumerate(rows):
        length = len(given.prompt_ids)
        first = [seen[0][layer][row % len(seen[0][layer]), -length:] for layer in range(lm.info.layers)]
        states.append(
            [torch.cat([first[layer], *(step[layer][row] for step in seen[1:])]) for layer in range(lm.info.layers)]
        )
    return ids, states


def check_against_reference(
    lm: LanguageModel, recipes: Sequence[str], lengths: Sequence[int], within: float = 1e-4
) -> None:
    """Decode all recipes as rows of one batch, and hold each row to one pass over it alone."""
    vectors = new_vectors(lm, "happy", "sad", "calm")
    sampling = Sampling(temperature=0, max_tokens=TOKENS)
    prompts = [random_ids(lm, length, seed) for seed, length in enumerate(lengths)]
    terms = [resolved(lm, text, vectors) for text in recipes]
    ids, states = decoded(lm, [Row(prompt, row, sampling) for prompt, row in zip(prompts, terms, strict=True)])
    for row, prompt in enumerate(prompts):
        wanted, logits = steered_pass(lm, prompt + ids[row][:-1], len(prompt), parse_recipe(recipes[row]), vectors)
        for layer, state in enumerate(wanted):
            scale = max(1.0, float(state.abs().max()))
            gap = float((states[row][layer] - state).abs().max()) / scale
            assert gap < within, f"{recipes[row]} at layer {layer}: {gap}"
        assert ids[row] == logits[len(prompt) - 1 :].argmax(dim=-1).tolist(), recipes[row]


@pytest.mark.parametrize("kind", KINDS)
def test_every_operator_in_every_scope_holds_under_the_cache_in_a_padded_batch(kind: str) -> None:
    recipes = [f"happy:0.8@1-2~{op}/{scope}" for op, scope in itertools.product(OPS, SCOPES)]
    lengths = [1 + (5 * place) % 9 for place in range(len(recipes))]
    check_against_reference(shared_lm(kind), recipes, lengths)


@pytest.mark.parametrize("kind", KINDS)
def test_every_operator_in_every_scope_holds_where_prompts_are_equally_long(kind: str) -> None:
    recipes = [f"happy:-1.3@all~{op}/{scope}" for op, scope in itertools.product(OPS, SCOPES)]
    check_against_reference(shared_lm(kind), recipes, [7] * len(recipes))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 5])
def test_terms_act_in_the_order_of_the_recipe(kind: str, length: int) -> None:
    terms = ["happy@1-2", "sad:-0.7@0+2~keepnorm", "calm:0.5@2~set/after=2", "happy:0.4@2~rotate/generated", "sad@1-2"]
    recipes = [",".join(order) for order in itertools.islice(itertools.permutations(terms), 0, 120, 11)]
    check_against_reference(shared_lm(kind), ["", *recipes], [length] * (1 + len(recipes)))


@pytest.mark.parametrize("recipe", ["happy:1.5@0", "happy~keepnorm/prompt", "happy:0.5@3~ablate/first=1"])
def test_a_prompt_of_one_token_is_steered_as_any_other(recipe: str) -> None:
    check_against_reference(shared_lm(), [recipe], [1])
    check_against_reference(shared_lm(), [recipe, recipe], [1, 4])


@pytest.mark.parametrize(
    "recipe", ["happy:2/generated", "happy:2~rotate/generated,sad/after=6", "happy:2/pos=7..9", "happy?sad>-99"]
)
def test_equal_prompts_that_nothing_steers_are_read_once_and_the_rest_is_the_same(recipe: str) -> None:
    lm, prompt = shared_lm(), random_ids(shared_lm(), 6)
    vectors = new_vectors(lm, "happy", "sad")
    sampling = Sampling(temperature=0.9, max_tokens=TOKENS, seed=3)
    terms = resolved(lm, recipe, vectors)
    shapes: list[tuple[int, ...]] = []

    def count(layer: int, hidden: Tensor) -> None:
        shapes.append(tuple(hidden.shape[:2]))

    with hooked(lm, count):
        shared, states = decoded(lm, [Row(prompt, row, sampling) for row in (terms, (), terms)])
    assert (1, 6) in shapes and (3, 6) not in shapes and shapes[-1] == (3, 1)
    # A term at the last token of the prompt keeps the prompt from being shared; one that adds nothing changes nothing.
    nothing = resolved(lm, "happy:0/last", vectors)
    unshared, others = decoded(lm, [Row(prompt, nothing + row, sampling) for row in (terms, (), terms)])
    assert shared == unshared
    for row in range(3):
        for found, wanted in zip(states[row], others[row], strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def new_plan(terms: Sequence[tuple[ActiveTerm, ...]], dtype: torch.dtype = torch.float32) -> Plan:
    plan = Plan([4] * len(terms), WIDTH, torch.device("cpu"), dtype)
    plan.set_rows(dict(enumerate(terms)))
    return plan


def grid(length: int, padding: Sequence[int]) -> Tensor:
    """Positions of left-padded rows."""
    return torch.stack([torch.cat([torch.full((pad,), -1), torch.arange(length - pad)]) for pad in padding])


@pytest.mark.parametrize("op", OPS)
def test_rows_and_positions_that_no_term_touches_are_left_bit_for_bit(op: str) -> None:
    lm = shared_lm()
    terms = resolved(lm, f"happy:2@1~{op}/pos=1..2", new_vectors(lm, "happy"))
    plan, hidden = new_plan([terms, (), terms]), torch.randn(3, 4, WIDTH)
    plan.at([3, 3, 1], grid(4, [0, 0, 2]))
    found = plan.apply(1, hidden)
    touched = (found != hidden).any(dim=-1)
    allowed = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]).bool()
    assert not (touched & ~allowed).any()
    if op != "cap":
        assert torch.equal(touched, allowed)
    assert plan.apply(0, hidden) is hidden and plan.apply(3, hidden) is hidden


@pytest.mark.parametrize("op", OPS)
def test_a_step_on_which_nothing_acts_returns_the_very_tensor(op: str) -> None:
    lm = shared_lm()
    plan = new_plan([resolved(lm, f"happy@1~{op}/prompt", new_vectors(lm, "happy"))])
    hidden = torch.randn(1, 1, WIDTH)
    plan.at([4])
    assert plan.apply(1, hidden) is hidden
    assert not plan.acts(0)


def test_what_is_added_is_strength_times_the_raw_vector() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy", "sad")
    plan = new_plan([resolved(lm, "happy:2@1,sad:-0.5@1", vectors)])
    plan.at([9])
    hidden = torch.zeros(1, 1, WIDTH)
    wanted = 2 * vectors["happy"].layers[1] - 0.5 * vectors["sad"].layers[1]
    torch.testing.assert_close(plan.apply(1, hidden)[0, 0], wanted)


def test_a_change_is_in_force_with_the_next_pass_and_writes_the_same_tensor() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy")
    plan = new_plan([resolved(lm, "happy:1@1", vectors)])
    hidden = torch.zeros(1, 1, WIDTH)
    plan.at([5])
    plan.apply(1, hidden)
    buffer = next(iter(plan._buffers.values())).data_ptr()
    plan.set_rows({0: resolved(lm, "happy:3@1", vectors)})
    plan.at([6])
    torch.testing.assert_close(plan.apply(1, hidden)[0, 0], 3 * vectors["happy"].layers[1])
    assert next(iter(plan._buffers.values())).data_ptr() == buffer


def test_rows_that_go_on_keep_their_own_terms() -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy", "sad")
    plan = new_plan([resolved(lm, "happy@1", vectors), (), resolved(lm, "sad@1", vectors)])
    plan.keep([2, 1])
    plan.at([5, 5])
    found = plan.apply(1, torch.zeros(2, 1, WIDTH))
    torch.testing.assert_close(found[0, 0], vectors["sad"].layers[1])
    assert not found[1].any()


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_half_and_is_as_exact_as_it_can_be(op: str, dtype: torch.dtype) -> None:
    lm = shared_lm()
    vectors = new_vectors(lm, "happy")
    terms = resolved(lm, f"happy:0.7@1~{op}", vectors)
    hidden = torch.randn(1, 4, WIDTH, generator=torch.Generator().manual_seed(1)) * 5
    exact, half = new_plan([terms]), new_plan([terms], dtype)
    for positions, part in (([3], hidden.to(dtype)), ([7], hidden[:, :1].to(dtype))):
        area = grid(4, [0]) if part.shape[1] > 1 else None
        exact.at(positions, area)
        half.at(positions, area)
        found = half.apply(1, part)
        assert found.dtype == dtype
        wanted = exact.apply(1, part.float())
        assert float((found.float() - wanted).abs().max()) < 2 * torch.finfo(dtype).eps * float(wanted.abs().max() + 1)


@pytest.mark.parametrize("op", OPS)
def test_strengths_beyond_all_reason_end_no_run(op: str) -> None:
    for dtype in (torch.float32, torch.float16):
        lm = new_lm(dtype=dtype)
        terms = resolved(lm, f"happy:1e6@all~{op}", new_vectors(lm, "happy"))
        with Decoder(lm, [Row([5, 6, 7], terms, Sampling(max_tokens=3))], watch=range(4)) as decoder:
            while decoder.alive:
                assert all(0 <= token.id < 320 for token in decoder.step())


def test_a_vector_of_another_width_or_layer_count_is_refused() -> None:
    lm = shared_lm()
    for other in (new_lm(num_hidden_layers=6), new_lm(hidden_size=64)):
        with pytest.raises(ShapeMismatch, match="happy"):
            resolved(lm, "happy", {"happy": new_vector(other)})
        with pytest.raises(ShapeMismatch, match="sad"):
            resolved(lm, "happy?sad>0", {"happy": new_vector(lm), "sad": new_vector(other, "sad")})


def test_layers_that_the_vector_lacks_are_refused_and_all_means_those_it_has() -> None:
    lm = shared_lm()
    vectors = {"happy": new_vector(lm, layers=(1, 2))}
    assert resolved(lm, "happy@all", vectors)[0].layers == (1, 2)
    assert resolved(lm, "happy", vectors)[0].layers == (1, 2)
    with pytest.raises(RecipeError, match="no layer 3"):
        resolved(lm, "happy@2-3", vectors)
    with pytest.raises(RecipeError, match="no layer 9"):
        resolved(lm, "happy@9", vectors)


def test_a_vector_without_recommended_layers_acts_at_its_first() -> None:
    lm = shared_lm()
    assert resolved(lm, "happy", {"happy": new_vector(lm, layers=(2, 3), best=())})[0].layers == (2,)
