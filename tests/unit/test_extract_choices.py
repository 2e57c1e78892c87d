"""Extraction by method, site and read position on tiny models; streamed concepts; optimised vectors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from steer_tui.engine import extraction, readings
from steer_tui.engine.extract import extract
from steer_tui.engine.extractchoices import BLOCK_OUT, METHODS, SITES, Read
from steer_tui.engine.extraction import read_all
from steer_tui.engine.fit import fit
from steer_tui.engine.methods import gradient
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.passages import prepare
from steer_tui.engine.place import find_place
from steer_tui.engine.readings import Progress
from steer_tui.errors import Cancelled, ShapeMismatch, UsageError
from tests.unit.architectures import ARCHITECTURES, architecture
from tests.unit.test_extract import Concept, close, concept, stacked
from tests.unit.tiny import BLOCKS, KINDS, WIDTH, left_behind, new_lm, shared_lm

FITTED = [name for name in METHODS if name != "gradient"]


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "STEPS", 8)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_vector_that_says_how_it_was_made(method: str) -> None:
    lm = shared_lm()
    made = extract(lm, [concept(), concept("sad", 5)], method=method, seed=3)
    again = extract(lm, [concept()], method=method, seed=3)["happy"]
    assert list(made) == ["happy", "sad"] and not left_behind(lm)
    for vector in made.values():
        assert vector.meta.method == method and set(vector.meta.best_layers) <= set(vector.layers)
        assert len(vector.layers) in ((1, 2) if method == "gradient" else (BLOCKS,))
        assert set(vector.meta.diagnostics) == set(vector.layers)
    close(stacked(again), stacked(made["happy"]))


@pytest.mark.parametrize("method", FITTED)
@pytest.mark.parametrize("budget", [1, 60])
def test_batches_and_order_change_no_methods_vector(method: str, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lm, given = shared_lm(), concept(pairs=9)
    usual = extract(lm, [given], method=method)["happy"]
    turned = Concept("happy", given.positive[::-1], given.negative[::-1])
    monkeypatch.setattr(readings, "BATCH_TOKENS", budget)
    close(stacked(extract(lm, [turned], method=method)["happy"]), stacked(usual))


def test_methods_see_the_activations_that_reading_gives() -> None:
    lm, given = shared_lm(), concept()
    examples = prepare(lm, given, Read("mean"))
    texts = [*examples.positive, *examples.negative]
    read = read_all(lm, texts, find_place(lm, BLOCK_OUT, None), Progress(len(texts), None, None))
    above, below = read.means[:6], read.means[6:]
    for method in FITTED:
        found = fit(above, below, torch.ones(BLOCKS), method, extraction._order(examples))
        close(stacked(extract(lm, [given], method=method)["happy"]), found.raw)


@pytest.mark.parametrize("method", ["pca"])
def test_sides_that_are_no_pairs_are_refused_where_pairs_are_needed(method: str) -> None:
    uneven = Concept("uneven", ("a", "b", "c"), ("d",))
    with pytest.raises(UsageError, match="no pairs"):
        extract(shared_lm(), [uneven], method=method)
    for other in ("mean", "pca-global", "lat", "probe"):
        assert extract(shared_lm(), [uneven], method=other)["uneven"].meta.pairs == 1


def by_hand(lm: LanguageModel, module: nn.Module, text: str) -> Tensor:
    """Return what a module leaves of a text, (D,), averaged over its own tokens."""
    seen: list[Tensor] = []
    handle = module.register_forward_hook(lambda module, args, output: seen.append(output))
    try:
        lm.model(torch.tensor([lm.tokenizer(text)["input_ids"]]))
    finally:
        handle.remove()
    output = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    return output.view(-1, output.shape[-1])[1:].mean(0)


@pytest.mark.parametrize("site", ["attn_out", "mlp_out"])
def test_a_site_is_read_at_its_module(site: str) -> None:
    lm, one = shared_lm(), Concept("one", ("the wind and tea",), ("a note",))
    found = extract(lm, [one], site=site)["one"]
    assert found.meta.site == site
    for layer in range(BLOCKS):
        writer = lm.structure.attn_out(layer) if site == "attn_out" else lm.structure.mlp(layer)
        assert writer is not None
        wanted = by_hand(lm, writer, one.positive[0]) - by_hand(lm, writer, one.negative[0])
        close(found.layers[layer], wanted)
    norms = extract(lm, [one])["one"].meta.residual_norm
    assert found.meta.residual_norm == pytest.approx(norms, rel=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sites_are_on_every_architecture(name: str) -> None:
    lm, given = architecture(name), concept(pairs=3)
    for site in SITES:
        try:
            found = extract(lm, [given], site=site)["happy"]
        except UsageError as error:
            assert "cannot be hooked" in error.message and site != "block_out"
            continue
        assert torch.isfinite(stacked(found)).all() and float(stacked(found).norm(dim=-1).min()) > 0
    assert not left_behind(lm)


def test_a_module_path_is_read_in_its_block_or_with_a_star_in_all() -> None:
    lm, given = shared_lm(), concept(pairs=3)
    one = extract(lm, [given], site="model.layers.2.mlp.down_proj")["happy"]
    assert list(one.layers) == [2] and one.meta.site == "model.layers.2.mlp.down_proj"
    every = extract(lm, [given], site="model.layers.*.mlp.down_proj", layers=[1, 2])["happy"]
    assert list(every.layers) == [1, 2]
    close(every.layers[2], one.layers[2])
    named = extract(lm, [given], site="blocks.*.hook_resid_post")["happy"]
    close(named.layers[3], extract(lm, [given])["happy"].layers[3])
    assert list(extract(lm, [given], site="model.embed_tokens")["happy"].layers) == [0]
    assert list(extract(lm, [given], site="model.norm")["happy"].layers) == [BLOCKS - 1]


@pytest.mark.parametrize(
    ("site", "told"),
    [
        ("blok_out", "no hook point"),
        ("model.layers.9.mlp", "no hook point"),
        ("model.layers", "cannot be hooked"),
        ("lm_head", "never called"),
        ("blocks.0.attn.hook_q", "cannot act"),
        ("model.layers.1.mlp.up_proj", "64 features"),
        ("", "no hook point"),
    ],
)
def test_sites_that_cannot_be_had_are_refused_and_leave_nothing(site: str, told: str) -> None:
    lm = new_lm()
    with pytest.raises((UsageError, ShapeMismatch), match=told):
        extract(lm, [concept(pairs=2)], site=site)
    assert not left_behind(lm)


def test_reading_ends_after_the_last_layer_that_is_wanted() -> None:
    lm, seen = shared_lm(), []
    handles = [
        block.register_forward_pre_hook(lambda module, args, layer=layer: seen.append(layer))
        for layer, block in enumerate(lm.structure.blocks)
    ]
    try:
        extract(lm, [concept(pairs=2)], layers=[0, 1])
    finally:
        for handle in handles:
            handle.remove()
    assert set(seen) == {0, 1}


def test_registered_hooks_do_not_touch_what_is_read() -> None:
    lm, given = new_lm(), concept(pairs=3)
    usual = extract(lm, [given])["happy"]
    lm.add_hook(1, lambda activation, hook: activation * 0)
    try:
        close(stacked(extract(lm, [given])["happy"]), stacked(usual))
        assert len(lm.layers.attached) == 1
    finally:
        lm.reset_hooks()


@pytest.mark.parametrize(
    ("kind", "method"), [*(("llama", method) for method in FITTED), *((kind, "mean") for kind in KINDS[1:])]
)
def test_a_concept_too_large_to_keep_gives_the_same_vector(
    kind: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm, given = shared_lm(kind), concept(pairs=20)
    kept = extract(lm, [given], method=method)["happy"]
    monkeypatch.setattr(extraction, "KEEP_BYTES", 40 * BLOCKS * WIDTH * 4 - 1)
    told: list[tuple[int, int]] = []
    found = extract(lm, [given], method=method, on_progress=lambda *at: told.append(at))["happy"]
    assert told[-1] == (80, 80)  # every text is read twice
    if method in ("mean", "pca"):  # 20 differences fit in a sketch; the others work on half of the texts, or a sketch
        close(stacked(found), stacked(kept), 1e-4)
        for layer in range(BLOCKS):
            assert found.meta.diagnostics[layer] == pytest.approx(kept.meta.diagnostics[layer], rel=1e-2, abs=1e-3)
        assert found.meta.residual_norm == pytest.approx(kept.meta.residual_norm, rel=1e-4)
    assert set(found.meta.diagnostics[0]) == set(kept.meta.diagnostics[0])
    assert float(torch.cosine_similarity(stacked(found), stacked(kept), dim=-1).min()) > 0.5


def test_uneven_sides_are_streamed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, given = shared_lm(), concept(pairs=12)
    uneven = Concept("happy", given.positive, given.negative[:9])
    kept = extract(lm, [uneven])["happy"]
    monkeypatch.setattr(extraction, "KEEP_BYTES", 1)
    found = extract(lm, [uneven])["happy"]
    close(stacked(found), stacked(kept))
    for layer in range(BLOCKS):
        assert found.meta.diagnostics[layer] == pytest.approx(kept.meta.diagnostics[layer], rel=1e-3, abs=1e-3)


def test_concepts_are_read_together_only_as_far_as_memory_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    lm, concepts = shared_lm(), [concept(name, 4) for name in ("happy", "sad", "calm")]
    usual = extract(lm, concepts)
    monkeypatch.setattr(extraction, "KEEP_BYTES", 16 * BLOCKS * WIDTH * 4)
    apart = extract(lm, concepts)
    assert list(apart) == list(usual)
    for name, vector in apart.items():
        close(stacked(vector), stacked(usual[name]))


def test_a_pair_that_points_the_other_way_is_listed() -> None:
    lm = shared_lm()
    words = ("the wind", "tea and rain", "a note", "everyone", "the meeting went", "well")
    positive = [f"Hooray {word}!" for word in words]
    negative = [f"{word} it is" for word in words]
    positive[4], negative[4] = negative[4], positive[4]
    meta = extract(lm, [Concept("glad", tuple(positive), tuple(negative))])["glad"].meta
    assert [pair.pair for pair in meta.disagreeing] == [4]
    odd = meta.disagreeing[0]
    assert (odd.positive, odd.negative) == (positive[4], negative[4]) and odd.agreement < 0
    assert meta.diagnostics[meta.best_layers[0]]["reversed"] == pytest.approx(1 / 6)
    assert type(meta).from_json(meta.to_json()) == meta
    assert not extract(lm, [Concept("two", tuple(positive[:2]), tuple(negative[:2]))])["two"].meta.disagreeing


def planted_lm() -> tuple[LanguageModel, Tensor, int, int]:
    """Return a model that says one token the more, the further its last block's output lies along a direction."""
    lm = new_lm()
    planted = nn.functional.normalize(torch.randn(WIDTH, generator=torch.Generator().manual_seed(1)), dim=0)
    good, bad = 40, 41
    with torch.no_grad():
        weight = lm.model.lm_head.weight
        weight.sub_((weight @ planted).unsqueeze(1) * planted)
        weight.mul_(0.2)
        weight[good] += 2 * planted
        weight[bad] -= 2 * planted
        lm.model.model.norm.weight.fill_(1.0)
    return lm, planted, good, bad


def test_an_optimised_vector_finds_a_planted_direction_and_lowers_its_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "STEPS", 60)
    lm, planted, good, bad = planted_lm()
    tokens = [lm.tokenizer.decode([token]) for token in (good, bad)]
    starts = ("the meeting", "wind and", "a note about", "tea")
    sides = [tuple(f"{start} {token * 4}" for start in starts) for token in tokens]
    given = Concept("planted", sides[0], sides[1])
    examples = prepare(lm, given, Read("completion"))
    place = find_place(lm, "block_out", [BLOCKS - 1])
    toward = 0.3 * planted + nn.functional.normalize(
        torch.randn(WIDTH, generator=torch.Generator().manual_seed(2)), dim=0
    )
    found = gradient.optimise(lm, examples, place, 2 * toward, Progress(60, None, None))
    assert found.loss_after < found.loss_before
    assert float(found.direction.norm()) <= 1 + 1e-5
    assert float(torch.cosine_similarity(found.direction, planted, dim=0)) > 0.95
    again = gradient.optimise(lm, examples, place, 2 * toward, Progress(60, None, None))
    assert torch.equal(again.direction, found.direction)
    assert not left_behind(lm) and all(parameter.grad is None for parameter in lm.model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_optimising_lowers_the_loss_at_any_layer_and_site(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "STEPS", 12)
    lm, given = shared_lm(kind), concept(pairs=4)
    for site in ("block_out", "attn_out"):
        vector = extract(lm, [given], method="gradient", site=site, layers=[0, 2])["happy"]
        for layer in (0, 2):
            figures = vector.meta.diagnostics[layer]
            assert figures["loss_after"] < figures["loss_before"]
            assert figures["relative_norm"] > 0
    assert not left_behind(lm)


def test_optimising_is_stopped_between_steps() -> None:
    lm, told = shared_lm(), []
    with pytest.raises(Cancelled):
        extract(
            lm,
            [concept(pairs=3)],
            method="gradient",
            on_progress=lambda done, total: told.append(done),
            should_stop=lambda: bool(told) and told[-1] >= 9,
        )
    assert told[-1] == 9 and not left_behind(lm)


def test_what_cannot_be_optimised_is_refused() -> None:
    same = Concept("same", ("a note", "tea"), ("a note", "tea"))
    with pytest.raises(UsageError, match="both sides"):
        extract(shared_lm(), [same], method="gradient")
    lm = new_lm(bos=False)
    with pytest.raises(UsageError, match="too short"):
        extract(lm, [Concept("short", ("a",), ("b",))], method="gradient")


@pytest.mark.parametrize(
    ("options", "told"),
    [({"method": "pac"}, "no method 'pac'"), ({"read": "first"}, "no read"), ({"template": "x"}, "no template")],
)
def test_choices_that_do_not_exist_are_refused(options: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        extract(shared_lm(), [concept()], **options)
    assert caught.value.hint


def test_a_read_position_changes_the_vector_and_is_kept() -> None:
    lm, given = shared_lm(), concept()
    vectors = {read: extract(lm, [given], read=read)["happy"] for read in ("mean", "last", "last:3")}
    assert {vector.meta.read for vector in vectors.values()} == {"mean of all tokens", "last token", "last 3 tokens"}
    assert float((stacked(vectors["mean"]) - stacked(vectors["last"])).abs().max()) > 0.01
    asked = replace(vectors["mean"].meta, template="raw")
    assert asked == vectors["mean"].meta
