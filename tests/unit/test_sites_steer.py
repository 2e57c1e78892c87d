"""A vector acts, is measured and gates where it was read: at attention, at the MLP, at any module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steer_tui.engine.activation import tensor_of, with_tensor
from steer_tui.engine.decode import Row
from steer_tui.engine.extract import extract
from steer_tui.engine.gates import decide_gates
from steer_tui.engine.generate import generate
from steer_tui.engine.measure import Reader
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import parse_recipe
from steer_tui.engine.resolve import ActiveTerm, resolve
from steer_tui.engine.types import Request, Sampling
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import UsageError
from tests.unit.decoding import greedy, ids_of
from tests.unit.test_extract import concept
from tests.unit.tiny import KINDS, left_behind, new_lm, new_vectors, random_ids, shared_lm

PATHS = {"llama": "model.layers.*.mlp", "gpt2": "transformer.h.*.mlp.c_proj"}
TOKENS = 8


def vector_at(lm: LanguageModel, site: str) -> SteeringVector:
    return extract(lm, [concept(pairs=4)], site=site)["happy"]


def terms(lm: LanguageModel, recipe: str, **vectors: SteeringVector) -> tuple[ActiveTerm, ...]:
    return resolve(parse_recipe(recipe), vectors, lm.info.layers, lm.info.width)


def module_of(lm: LanguageModel, site: str, layer: int) -> nn.Module:
    if site == "attn_out":
        found = lm.structure.attn_out(layer)
    elif site == "mlp_out":
        found = lm.structure.mlp(layer)
    else:
        found = lm.model.get_submodule(site.replace("*", str(layer)))
    assert found is not None
    return found


def by_hand(lm: LanguageModel, module: nn.Module, act: Callable[[Tensor], Tensor], prompt: list[int]) -> list[int]:
    """Return a greedy continuation, each token from a plain pass with a module's output changed."""

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        found = tensor_of(output)
        assert found is not None
        return with_tensor(output, act(found))

    handle = module.register_forward_hook(hook)
    ids = list(prompt)
    try:
        with torch.no_grad():
            for _ in range(TOKENS):
                ids.append(int(lm.model(torch.tensor([ids])).logits[0, -1].argmax()))
    finally:
        handle.remove()
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("site", ["attn_out", "mlp_out", "path"])
@pytest.mark.parametrize("op", ["add", "ablate"])
def test_it_acts_at_its_site(kind: str, site: str, op: str) -> None:
    lm = shared_lm(kind)
    site = PATHS[kind] if site == "path" else site
    vector = vector_at(lm, site)
    raw, unit = vector.layers[2], nn.functional.normalize(vector.layers[2], dim=0)
    acts = {
        "add": lambda found: found + 4 * raw,
        "ablate": lambda found: found - (found @ unit).unsqueeze(-1) * unit,
    }
    rows = []
    for seed, length in enumerate((5, 9)):
        prompt = random_ids(lm, length, seed)
        rows.append((prompt, by_hand(lm, module_of(lm, site, 2), acts[op], prompt)))
    recipe = "happy:4@2" if op == "add" else "happy@2~ablate"
    found = ids_of(lm, [greedy(prompt, terms(lm, recipe, happy=vector), TOKENS) for prompt, _ in rows])
    assert found == [wanted for _, wanted in rows]
    assert not left_behind(lm)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_with_different_sites_do_not_see_each_other(kind: str) -> None:
    lm = shared_lm(kind)
    vectors = {"attn": vector_at(lm, "attn_out"), "mlp": vector_at(lm, "mlp_out"), **new_vectors(lm, "happy")}
    recipes = ("", "attn:5@1-2", "mlp:5@1+3", "happy:2", "happy:2,attn:3@2,mlp:-3@2")
    prompts = [random_ids(lm, 4 + place, place) for place in range(len(recipes))]
    rows = [
        Row(prompt, terms(lm, recipe, **vectors) if recipe else (), Sampling(temperature=0, max_tokens=TOKENS))
        for prompt, recipe in zip(prompts, recipes, strict=True)
    ]
    together = ids_of(lm, rows)
    assert together == [ids_of(lm, [row])[0] for row in rows]
    assert together[0] == ids_of(lm, [greedy(prompts[0], (), TOKENS)])[0]
    assert not left_behind(lm)


def test_what_the_mlp_adds_is_what_the_block_adds() -> None:
    lm = shared_lm()
    vector = vector_at(lm, "mlp_out")
    block = SteeringVector("happy", vector.layers, new_vectors(lm, "happy")["happy"].meta)
    prompt = random_ids(lm, 6)
    ids = [ids_of(lm, [greedy(prompt, terms(lm, "happy:6@1-2", happy=one), TOKENS)]) for one in (vector, block)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("site", ["attn_out", "mlp_out", "model.layers.*.mlp"])
def test_its_concept_scale_is_read_at_its_site(site: str) -> None:
    lm, given = shared_lm(), concept(pairs=4)
    vector = vector_at(lm, site)
    places = []
    for side in (given.positive, given.negative):
        prompts = [lm.encode(text, raw=True) for text in side]
        reader = Reader(lm, [[0]] * len(side), {"happy": vector})
        reader.read([prompt[1:] for prompt in prompts])
        places.append(sum(reading.place("happy") or 0.0 for reading in reader.readings) / len(side))
    assert places == pytest.approx([1.0, 0.0], abs=1e-3)


def test_its_gate_is_decided_at_its_site() -> None:
    lm, given = shared_lm(), concept(pairs=4)
    vectors = {"happy": vector_at(lm, "attn_out"), **new_vectors(lm, "calm")}
    place = 0.0
    for text in given.positive:
        prompt = lm.encode(text, raw=True)
        low, high = -20.0, 20.0
        for _ in range(30):
            middle = (low + high) / 2
            held = decide_gates(lm, prompt, terms(lm, f"calm?happy>{middle:.6f}", **vectors))[0].is_open
            low, high = (middle, high) if held else (low, middle)
        place += low / len(given.positive)
    assert place == pytest.approx(1.0, abs=1e-2)
    assert not left_behind(lm)


def test_a_whole_run_is_measured_and_has_no_place_on_the_residual_stream() -> None:
    lm = shared_lm()
    request = Request("the meeting", "happy:3", Sampling(temperature=0, max_tokens=6), baseline=True, raw=True)
    result = generate(lm, request, {"happy": vector_at(lm, "attn_out")})
    assert result.steered.text and result.baseline is not None
    assert result.steered.ids != result.baseline.ids
    assert not left_behind(lm)


def test_a_site_that_the_model_lacks_is_refused_before_a_token() -> None:
    lm = new_lm()
    vector = vector_at(lm, "mlp_out")
    meta = type(vector.meta).from_json(vector.meta.to_json() | {"site": "model.blocks.*.mlp"})
    with pytest.raises(UsageError, match="no hook point"):
        ids_of(lm, [greedy([1, 2, 3], terms(lm, "happy", happy=SteeringVector("happy", vector.layers, meta)))])
    assert not left_behind(lm)
