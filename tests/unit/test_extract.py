"""Vectors are differences of class means, whatever the batches, the padding and the order of the texts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from steer_tui.engine import readings
from steer_tui.engine.extract import extract
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import Cancelled, OutOfMemory, UsageError
from tests.unit.architectures import ARCHITECTURES, architecture
from tests.unit.tiny import BLOCKS, KINDS, WIDTH, hooked, left_behind, new_lm, shared_lm

WORDS = ("the", "meeting", "went", "well", "and", "everyone", "wrote", "a", "note", "about", "wind", "rain", "tea")


@dataclass(frozen=True)
class Concept:
    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    group: str = "moods"
    description: str = "for a test"


def concept(name: str = "happy", pairs: int = 6, seed: int = 0) -> Concept:
    """Return pairs of texts of very different lengths."""
    source = random.Random(f"{name}{seed}")
    texts = [" ".join(source.choices(WORDS, k=1 + 3 * (place % 7))) for place in range(2 * pairs)]
    return Concept(name, tuple(f"Hooray {text}!" for text in texts[:pairs]), tuple(texts[pairs:]))


def mean_states(lm: LanguageModel, text: str) -> Tensor:
    """Return the mean block outputs (L, D) over a text's own tokens, from one plain pass over it alone."""
    ids = lm.tokenizer(text)["input_ids"]
    states: dict[int, Tensor] = {}
    with hooked(lm, states.__setitem__):
        lm.model(torch.tensor([ids]))
    own = [place for place, token in enumerate(ids) if token != lm.tokenizer.bos_token_id]
    return torch.stack([states[layer][0, own].double().mean(0) for layer in range(lm.info.layers)])


def by_definition(lm: LanguageModel, given: Concept) -> tuple[Tensor, Tensor]:
    """Return the vector (L, D) and the mean of the negative texts (L, D), one text at a time."""
    positive = torch.stack([mean_states(lm, text) for text in given.positive]).mean(0)
    negative = torch.stack([mean_states(lm, text) for text in given.negative]).mean(0)
    return positive - negative, negative


def stacked(vector: SteeringVector) -> Tensor:
    return torch.stack([vector.layers[layer] for layer in sorted(vector.layers)])


def close(found: Tensor, wanted: Tensor, within: float = 1e-5) -> None:
    scale = max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(found.double(), wanted.double(), atol=within * scale, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_is_the_difference_of_class_means_one_text_at_a_time(kind: str) -> None:
    lm, given = shared_lm(kind), concept()
    vector = extract(lm, [given])["happy"]
    wanted, negative = by_definition(lm, given)
    close(stacked(vector), wanted)
    for layer in range(BLOCKS):
        unit = wanted[layer] / wanted[layer].norm()
        assert vector.meta.origin[layer] == pytest.approx(float(negative[layer] @ unit), abs=1e-4)
    assert not left_behind(lm)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_is_on_every_architecture(name: str) -> None:
    lm, given = architecture(name), concept(pairs=3)
    close(stacked(extract(lm, [given])["happy"]), by_definition(lm, given)[0], 1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [1, 40, 10**6])
def test_batches_and_their_padding_change_nothing(kind: str, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lm, given = shared_lm(kind), concept()
    usual = extract(lm, [given])["happy"]
    monkeypatch.setattr(readings, "BATCH_TOKENS", budget)
    close(stacked(extract(lm, [given])["happy"]), stacked(usual))


def test_the_order_of_texts_and_concepts_changes_nothing() -> None:
    lm, concepts = shared_lm(), [concept("happy"), concept("sad", 4), concept("calm", 3)]
    usual = extract(lm, concepts)
    turned = [Concept(one.name, one.positive[::-1], one.negative[::-1]) for one in concepts[::-1]]
    for name, vector in extract(lm, turned).items():
        close(stacked(vector), stacked(usual[name]))
        close(stacked(extract(lm, [one for one in concepts if one.name == name])[name]), stacked(usual[name]))


def test_what_the_tokenizer_puts_in_front_is_not_read() -> None:
    with_bos, without = new_lm(bos=True), new_lm(bos=False)
    given = concept()
    assert with_bos.encode("a", raw=True)[0] == 0 != without.encode("a", raw=True)[0]
    for lm in (with_bos, without):
        close(stacked(extract(lm, [given])["happy"]), by_definition(lm, given)[0])
    # The BOS token's own state is everyone's: were it averaged in, longer texts would weigh it less.
    one = Concept("one", ("tea",), ("bread",))
    ids = with_bos.encode("tea", raw=True)
    states: dict[int, Tensor] = {}
    with hooked(with_bos, states.__setitem__):
        with_bos.model(torch.tensor([ids]))
    found = extract(with_bos, [one], layers=[2])["one"]
    close(found.layers[2] + mean_states(with_bos, "bread")[2], states[2][0, 1:].mean(0))


def test_a_planted_direction_is_found() -> None:
    lm, given = shared_lm(), concept(pairs=12)
    planted = torch.nn.functional.normalize(torch.randn(WIDTH, generator=torch.Generator().manual_seed(5)), dim=0) * 300
    mark, is_marked = lm.tokenizer.convert_tokens_to_ids("H"), [torch.zeros(0)]

    def plant(layer: int, hidden: Tensor) -> Tensor | None:
        # Rows whose text begins as the positive ones do are moved at block 2, at every token.
        return hidden + planted * is_marked[0].view(-1, 1, 1) if layer == 2 else None

    def look(module: object, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        is_marked[0] = (kwargs["input_ids"] == mark).any(dim=1).float()

    handle = lm.model.base_model.register_forward_pre_hook(look, with_kwargs=True)
    try:
        with hooked(lm, plant):
            vector = extract(lm, [given])["happy"]
    finally:
        handle.remove()
    cosine = torch.cosine_similarity(vector.layers[2], planted, dim=0)
    assert float(cosine) > 0.98
    assert float(vector.layers[2].norm()) == pytest.approx(300, rel=0.2)
    assert vector.meta.diagnostics[2]["auroc"] == 1.0
    assert vector.meta.diagnostics[2]["separation"] > vector.meta.diagnostics[1]["separation"]


def test_the_metadata_says_what_was_read_of_which_model() -> None:
    lm, given = shared_lm(), concept()
    meta = extract(lm, [given])["happy"].meta
    assert (meta.name, meta.group, meta.description, meta.pairs) == ("happy", "moods", "for a test", 6)
    assert meta.model == {
        "id": lm.info.id,
        "type": "llama",
        "layers": 4,
        "width": 32,
        "fingerprint": lm.info.fingerprint,
    }
    assert (meta.method, meta.site, meta.template) == ("mean", "block_out", "raw")
    assert set(meta.residual_norm) == set(meta.origin) == set(meta.diagnostics) == set(range(BLOCKS))
    assert meta.best_layers and set(meta.best_layers) <= set(range(BLOCKS))
    norms = [mean_norm(lm, text) for text in given.negative]
    assert meta.residual_norm[2] == pytest.approx(sum(norms) / len(norms), rel=1e-4)
    assert (
        len(meta.pairs_sha256) == 64 and meta.pairs_sha256 != extract(lm, [concept(seed=1)])["happy"].meta.pairs_sha256
    )


def mean_norm(lm: LanguageModel, text: str) -> float:
    ids = lm.tokenizer(text)["input_ids"]
    states: dict[int, Tensor] = {}
    with hooked(lm, states.__setitem__):
        lm.model(torch.tensor([ids]))
    return float(states[2][0, 1:].norm(dim=-1).mean())


def test_only_the_layers_asked_for_are_read() -> None:
    lm, given = shared_lm(), concept()
    whole, some = extract(lm, [given])["happy"], extract(lm, [given], layers=[3, 1, 1])["happy"]
    assert list(some.layers) == [1, 3] and set(some.meta.best_layers) <= {1, 3}
    close(some.layers[3], whole.layers[3])


@pytest.mark.parametrize("layers", [[4], [-1], [0, 9], []])
def test_layers_that_the_model_has_not_are_refused(layers: Sequence[int]) -> None:
    with pytest.raises(UsageError, match="layer") as caught:
        extract(shared_lm(), [concept()], layers=layers)
    assert "0-3" in (caught.value.hint or "")


@pytest.mark.parametrize("side", ["positive", "negative"])
def test_a_concept_with_one_side_is_refused(side: str) -> None:
    texts = {"positive": ("a",), "negative": ("b",), side: ()}
    with pytest.raises(UsageError, match="both sides"):
        extract(shared_lm(), [Concept("half", **texts)])


def test_one_pair_of_one_word_and_an_empty_text_are_enough() -> None:
    vector = extract(shared_lm(), [Concept("short", ("yes",), ("",))])["short"]
    assert torch.isfinite(stacked(vector)).all()
    same = extract(shared_lm(), [Concept("same", ("a", "b"), ("a", "b"))])["same"]
    assert float(stacked(same).abs().max()) == 0


def test_every_text_is_read_once_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "BATCH_TOKENS", 60)
    lm, told, rows = shared_lm(), [], []
    concepts = [concept("happy"), Concept("again", concept("happy").positive, concept("happy").negative)]
    handle = lm.structure.blocks[0].register_forward_hook(lambda module, args, output: rows.append(len(args[0])))
    try:
        extract(lm, concepts, on_progress=lambda done, total: told.append((done, total)))
    finally:
        handle.remove()
    texts = set(concepts[0].positive + concepts[0].negative)
    assert sum(rows) == len(texts) and len(rows) > 1
    assert told[-1] == (len(texts), len(texts)) and [done for done, _ in told] == sorted(done for done, _ in told)


def test_it_is_stopped_between_batches_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "BATCH_TOKENS", 1)
    lm, told = new_lm(), []
    with pytest.raises(Cancelled):
        extract(lm, [concept()], on_progress=lambda done, total: told.append(done), should_stop=lambda: len(told) == 3)
    assert told == [1, 2, 3] and not left_behind(lm)


def test_running_out_of_memory_is_named_and_leaves_nothing() -> None:
    lm = new_lm()
    with hooked(lm, lambda layer, hidden: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory"))):
        with pytest.raises(OutOfMemory):
            extract(lm, [concept()])
    assert not left_behind(lm)


def test_a_half_precision_model_gives_single_precision_vectors() -> None:
    given = concept()
    exact = extract(new_lm(), [given])["happy"]
    half = extract(new_lm(dtype=torch.bfloat16), [given])["happy"]
    assert half.layers[2].dtype == torch.float32
    assert float(torch.cosine_similarity(half.layers[2], exact.layers[2], dim=0)) > 0.99
