"""More examples from other tools' guides: their exercises, a module of one's own in a block's place, a bare trace."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steer_tui import LanguageModel
from steer_tui.errors import UsageError
from steer_tui.hooks import Controller, Detector, FunctionController, LayerActivationDetector, Trace
from tests.unit.hooktools import is_clean
from tests.unit.test_seed_examples import (
    C_ATTN,
    DOGS,
    demo,
    gpt2,
    layer_of,
    model,
    patch_hook,
    run,
    zero_head_hook,
)

__all__ = ["model"]  # a fixture


@pytest.fixture
def lm() -> Iterator[LanguageModel]:
    """GPT-2; the test must leave it clean."""
    yield gpt2()
    assert is_clean(gpt2())


class WrappedModule(nn.Module):
    """As the overview writes it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.output: Any = None
        self.steering_vec: Tensor | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.output = self.module(*args, **kwargs)
        return self.output if self.steering_vec is None else self.output + self.steering_vec


def test_a_wrapped_block_in_the_models_own_list_steers(model: LanguageModel) -> None:
    layer = layer_of(model, 5)
    path, _, index = model.structure.path(layer).rpartition(".")
    blocks = model.model.get_submodule(path)
    plain = model.generate(DOGS, max_new_tokens=10)
    before = blocks[int(index)]
    wrapped = blocks[int(index)] = WrappedModule(before)
    try:
        acts = []
        for word in ("Love", "Hate"):
            model(word)
            acts.append(wrapped.output[:, -1:])
        vector = 4 * (acts[0] - acts[1])
        texts = []
        for wrapped.steering_vec in (vector, -vector, None):
            texts.append(model.generate(DOGS, max_new_tokens=10))
    finally:
        blocks[int(index)] = before
    assert texts[0] != texts[1] and texts[2] == plain == model.generate(DOGS, max_new_tokens=10)
    hooked = [model.generate(DOGS, 10, hooks=[(layer, lambda x, v=v: x + v)]) for v in (vector, -vector)]
    assert hooked == texts[:2], "the same as by a hook"


def test_a_trace_of_a_bare_module_reads_and_edits(model: LanguageModel) -> None:
    layer = layer_of(model, 5)
    module = model.layers[layer]
    with Trace(module) as ret:
        model("Love")
        act_love = ret.output
        model("Hate")
        act_hate = ret.output
    assert act_love is not None and act_hate is not None
    vector = 4 * (act_love[:, -1:] - act_hate[:, -1:])
    texts = []
    for one in (vector, -vector):
        with Trace(module, edit_output=lambda output, one=one: output + one) as trace:
            texts.append(model.generate(DOGS, max_new_tokens=10))
        assert trace.output is not None
    assert texts == [model.generate(DOGS, 10, hooks=[(layer, lambda x, v=v: x + v)]) for v in (vector, -vector)]
    assert texts[0] != texts[1] and not module._forward_hooks
    attention = model.structure.attn(layer)  # returns a tuple
    assert attention is not None
    with Trace(attention, edit_output=lambda output: output * 0):
        silenced = model("Love")
    torch.testing.assert_close(
        silenced, model.run_with_hooks("Love", [(f"blocks.{layer}.hook_attn_out", lambda x: x * 0)])
    )
    for wrong in ((module, 3), (model.layers, None)):
        with pytest.raises(UsageError, match="a trace takes a module"):
            Trace(*wrong)  # type: ignore[arg-type]


def test_the_ablation_experiment_ranks_heads_by_their_loss_on_a_token(model: LanguageModel) -> None:
    ids = model.to_tokens("I think that this is a wonderful day")[0].tolist()
    prompt, target = ids[:-1], ids[-1]

    def loss(logits: Tensor) -> float:
        return float(-logits[0, -1].log_softmax(-1)[target])

    baseline = loss(model(prompt))
    ranking = {}
    for layer in range(model.cfg.n_layers):
        for head in range(model.cfg.n_heads):
            name = f"blocks.{layer}.attn.hook_z"
            logits = model.run_with_hooks(prompt, fwd_hooks=[(name, partial(zero_head_hook, head_idx=head))])
            ranking[layer, head] = loss(logits) - baseline
    assert len(ranking) == model.cfg.n_layers * model.cfg.n_heads and max(map(abs, ranking.values())) > 0
    best = max(ranking, key=lambda place: ranking[place])
    again = model.run_with_hooks(prompt, [(("z", best[0]), partial(zero_head_hook, head_idx=best[1]))])
    assert loss(again) - baseline == ranking[best]
    assert loss(model(prompt)) == baseline


def test_patching_the_last_token_layer_by_layer_ends_in_the_clean_prediction(model: LanguageModel) -> None:
    clean, corrupted = "The Eiffel Tower is in Paris", "The Eiffel Tower is in Rome"
    ids = [model.to_tokens(text)[0].tolist() for text in (clean, corrupted)]
    length = min(map(len, ids))
    clean_ids, corrupted_ids = ids[0][:length], [*ids[0][: length - 1], ids[1][-1]]
    clean_logits, cache = model.run_with_cache(clean_ids)
    corrupted_logits = model(corrupted_ids)
    distance = (clean_logits - corrupted_logits)[0, -1].norm()
    assert distance > 0
    left = []
    for layer in range(model.cfg.n_layers):
        hook = partial(patch_hook, patch_cache=cache, pos=-1)
        patched = model.run_with_hooks(corrupted_ids, [(f"blocks.{layer}.hook_resid_post", hook)])
        left.append(float((clean_logits - patched)[0, -1].norm() / distance))
    # Only the last token differs, so that its residual at any layer is the whole difference.
    assert left == pytest.approx([0.0] * len(left), abs=1e-3)
    embed = model.run_with_hooks(corrupted_ids, [("hook_embed", partial(patch_hook, patch_cache=cache, pos=-1))])
    torch.testing.assert_close(embed, clean_logits, atol=1e-4, rtol=1e-4)


def test_slow_and_fast_controllers_say_the_same(lm: LanguageModel) -> None:
    class SlowController(Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            return output.clone() * 2.0

    class FastController(Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            return output * 2.0

    assert torch.equal(run(lm, (C_ATTN, SlowController())), run(lm, (C_ATTN, FastController())))


def test_a_function_meets_none_only_where_there_is_no_activation(lm: LanguageModel) -> None:
    asked: list[bool] = []

    def modify_fn(x: Tensor | None) -> Tensor | None:
        asked.append(x is None)
        return None if x is None else x * 2.0

    class AsTheGuide(Controller):
        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            return modify_fn(output)

    found = run(lm, ("layer_0", FunctionController("layer_0", modify_fn)))
    assert asked == [False] and torch.equal(found, run(lm, ("layer_0", lambda x: x * 2.0)))
    # Before a module there is no output yet: such a controller gets None, and the pass goes on as it was.
    with lm.layers.hooked([("layer_1", AsTheGuide(hook_type="pre_forward"))]):
        assert torch.equal(run(lm), run(lm, with_controllers=False))
    assert asked[1:] == [True]


def test_captured_data_is_cleared_now_and_then(lm: LanguageModel) -> None:
    detector = LayerActivationDetector("layer_0")
    kept: list[Tensor] = []

    class Careful(Detector):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            if len(kept) > 3:
                kept.clear()
            kept.append(output.detach().cpu())

    with lm.layers.hooked([("layer_0", detector), ("layer_0", Careful())]):
        for batch_count in range(1, 9):
            run(lm)
            assert detector.get_captured() is not None and len(kept) <= 4
            if batch_count % 4 == 0:
                detector.clear_captured()
                detector.tensor_metadata.clear()
                assert detector.get_captured() is None


def test_a_vector_of_every_token_is_added_where_lengths_agree() -> None:
    lm = demo()
    name = f"blocks.{layer_of(lm, 5)}.hook_resid_post"
    love, hate = (lm.run_with_cache(word, name)[1][name] for word in ("The day was happy", "The day was sad"))
    assert love.shape == hate.shape
    steering_vec = love - hate
    found = lm.run_with_hooks("The day was sad", [(name, lambda activation: activation + steering_vec)])
    torch.testing.assert_close(found[0, -1], lm("The day was happy")[0, -1], atol=1e-3, rtol=1e-3)
