"""Hooks on a model: order, rows, sides, contexts, errors; and a model that is computed by hand."""

from __future__ import annotations

import json
import logging
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from steer_tui.engine.generate import generate
from steer_tui.engine.types import Request, Sampling
from steer_tui.errors import UsageError
from steer_tui.hooks import (
    Controller,
    Detector,
    FunctionController,
    HookContext,
    HookError,
    HookType,
    LayerActivationDetector,
    PatchController,
    ScalingController,
)
from tests.unit.architectures import ARCHITECTURES, LAYERS
from tests.unit.hooktools import LONG, PROMPT, SHORT, is_clean, linear_model, model_of
from tests.unit.tiny import new_lm, new_vectors, random_ids


def logits_of(*numbers: float) -> Tensor:
    """Return the logits of h = (first, second) for each pair of numbers."""
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return torch.tensor([[[first, second, first - second] for first, second in pairs]])


# A model by hand: h = (t, 1); block 0 multiplies by 3 and 4, block 1 by 1.5 and 0.75.


def test_the_model_by_hand_is_what_the_hand_says() -> None:
    lm = linear_model()
    assert torch.equal(lm([2, 5]), logits_of(27.0, 13.5, 67.5, 13.5))
    _, cache = lm.run_with_cache([2])
    assert cache["blocks.0.attn.hook_z"].flatten().tolist() == [2.0, 1.0]
    assert cache["attn_out", 0].flatten().tolist() == [4.0, 2.0]
    assert cache["resid_mid", 0].flatten().tolist() == [6.0, 3.0]
    assert cache["mlp_out", 0].flatten().tolist() == [18.0, 9.0]
    assert cache["resid_post", 0].flatten().tolist() == [24.0, 12.0]
    assert cache["resid_post", 1].flatten().tolist() == [27.0, 13.5]


@pytest.mark.parametrize(
    ("point", "factor"),
    [("hook_attn_out", 1 / 3), ("hook_mlp_out", 1 / 4), ("attn.hook_z", 1 / 3), ("hook_resid_mid", 0.0)],
)
def test_zero_ablation_is_closed_form(point: str, factor: float) -> None:
    lm = linear_model()
    ablated = lm.run_with_hooks([2], [(f"blocks.0.{point}", lambda activation, hook: activation * 0)])
    torch.testing.assert_close(ablated, logits_of(27.0 * factor, 13.5 * factor))


def test_scaling_is_closed_form() -> None:
    lm = linear_model()
    for name, whole in (("blocks.0.hook_resid_post", 2.0), ("blocks.1.hook_attn_out", 4 / 3), ("hook_embed", 2.0)):
        with HookContext(lm.layers, ScalingController(name, 2.0), name):
            torch.testing.assert_close(lm([2]), logits_of(27.0 * whole, 13.5 * whole))
    scaled = lm.run_with_hooks([2], [("blocks.1.hook_mlp_out", lambda activation: activation * -2)])
    torch.testing.assert_close(scaled, logits_of(54.0, 27.0))


def test_patching_is_closed_form() -> None:
    lm = linear_model()
    _, clean = lm.run_with_cache([2, 3])
    for name in ("blocks.0.hook_resid_post", "blocks.0.hook_resid_mid", "blocks.1.hook_resid_pre", "hook_embed"):
        patch = PatchController(name, clean, positions=[1])
        patched = lm.run_with_hooks([7, 7], [(name, patch)])
        torch.testing.assert_close(patched, logits_of(94.5, 13.5, 40.5, 13.5))
    # The MLP of block 0 gives 9 h: patching it alone puts 9 (2, 1) beside the 3 (7, 1) of the residual stream.
    patched = lm.run_with_hooks([7], [("blocks.0.hook_mlp_out", lambda a, hook: clean[hook.name][:, :1])])
    torch.testing.assert_close(patched, logits_of(1.125 * (21 + 18), 1.125 * (3 + 9)))


# What hooks are given and what becomes of what they return


def test_functions_take_the_point_by_name_by_place_or_not_at_all() -> None:
    lm = linear_model()
    seen: list[Any] = []

    def by_name(activation: Tensor, *, hook: Any) -> Tensor:
        seen.append(hook.name)
        return activation * 2

    def by_place(activation: Tensor, point: Any) -> Tensor:
        seen.append(point.name)
        return activation * 2

    def with_more(activation: Tensor, hook: Any, factor: float) -> Tensor:
        seen.append((hook.name, hook.layer()))
        return activation * factor

    hooks = [(0, by_name), (0, by_place), (0, partial(with_more, factor=2)), (0, lambda activation: activation * 2)]
    assert torch.equal(lm.run_with_hooks([2], hooks), 16 * lm([2]))
    assert seen == ["blocks.0.hook_resid_post", "blocks.0.hook_resid_post", ("blocks.0.hook_resid_post", 0)]


def test_in_place_edits_count_when_returned_and_never_reach_the_models_tensors() -> None:
    lm = model_of("gpt2")
    plain = lm(PROMPT)
    kept: list[Tensor] = []

    def zero(activation: Tensor, hook: Any) -> Tensor:
        activation[:, :, 1, :] = 0
        return activation

    def zero_without_return(activation: Tensor, hook: Any) -> None:
        activation[:] = 0

    def keep(activation: Tensor, hook: Any) -> None:
        kept.append(activation)

    changed = lm.run_with_hooks(PROMPT, [("blocks.0.attn.hook_z", zero), ("blocks.0.attn.hook_z", keep)])
    assert not torch.equal(changed, plain) and kept[0][:, :, 1].abs().max() == 0 < kept[0][:, :, 0].abs().min()
    for point in ("blocks.0.attn.hook_z", "blocks.1.hook_resid_mid", "blocks.1.attn.hook_k", 1):
        same = lm.run_with_hooks(PROMPT, [(point, zero_without_return)])
        torch.testing.assert_close(same, plain, atol=1e-5, rtol=1e-5)
    lm.run_with_hooks(PROMPT, [("blocks.1.hook_resid_mid", keep), ("blocks.1.hook_resid_mid", lambda a, hook: a * 0)])
    assert kept[-1].abs().max() > 0, "what a hook keeps must not change when a later hook changes the stream"
    assert torch.equal(lm(PROMPT), plain)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_tensor_that_the_user_keeps_is_not_written_to_by_the_model(name: str) -> None:
    lm = model_of(name)
    _, cache = lm.run_with_cache(PROMPT)
    before = {point: activation.clone() for point, activation in cache.items()}
    points = [point for point in cache if "hook_tokens" not in point]
    lm.run_with_hooks(PROMPT, [(points, lambda activation, hook: cache[hook.name])])
    assert all(torch.equal(cache[point], before[point]) for point in points)


def test_hooks_act_in_order_and_can_be_moved_and_switched_off() -> None:
    lm = linear_model()
    double, add = FunctionController(0, lambda x: x * 2), FunctionController(0, lambda x: x + 1)
    first, second = lm.layers.register_hook(0, double), lm.layers.register_hook("layer_0", add)
    both = lm([2])
    assert torch.equal(both, logits_of(1.125 * (24 * 2 + 1), 1.125 * (12 * 2 + 1)))
    lm.layers.move(second, 0)
    assert torch.equal(lm([2]), logits_of(1.125 * (24 + 1) * 2, 1.125 * (12 + 1) * 2))
    add.disable()
    assert torch.equal(lm([2]), logits_of(54.0, 27.0))
    add.enable()
    double.disable()
    assert torch.equal(lm([2]), logits_of(1.125 * 25, 1.125 * 13))
    assert lm.layers.get_hooks() == [add, double] and lm.layers.get_hooks(0) == [add, double]
    assert lm.layers.unregister_hook(first) and not lm.layers.unregister_hook(first)
    assert lm.layers.unregister_hook(add) and is_clean(lm)


def test_one_hook_may_be_on_several_points() -> None:
    lm = linear_model()
    detector = LayerActivationDetector()
    ids = [lm.layers.register_hook(point, detector) for point in (0, 1, "hook_embed")]
    assert len(set(ids)) == 3 and ids[0] == detector.id
    lm([2])
    assert lm.layers.unregister_hook(detector) and is_clean(lm)
    with lm.layers.hooked([([0, 1], ScalingController(None, 2.0))]) as ids:
        assert len(ids) == 2 and torch.equal(lm([2]), logits_of(108.0, 54.0))
    assert is_clean(lm)


def test_pre_forward_hooks_change_what_a_module_takes() -> None:
    lm = model_of("gpt2")

    class Doubling(Controller):
        def __init__(self, layer_signature: str | int) -> None:
            super().__init__(hook_type=HookType.PRE_FORWARD, layer_signature=layer_signature)

        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            assert output is None and isinstance(inputs, Tensor)
            return inputs * 2

    wanted = lm.run_with_hooks(PROMPT, [("blocks.1.hook_resid_pre", lambda activation, hook: activation * 2)])
    for signature in (1, "transformer.h.1", "blocks.1.hook_resid_pre"):
        with HookContext(lm.layers, Doubling(signature), signature):
            assert torch.equal(lm(PROMPT), wanted)
    wanted = lm.run_with_hooks(PROMPT, [("blocks.1.mlp.hook_post", lambda activation, hook: activation * 2)])
    with HookContext(lm.layers, Doubling("transformer.h.1.mlp.c_proj"), "transformer.h.1.mlp.c_proj"):
        assert torch.equal(lm(PROMPT), wanted)
    with pytest.raises(UsageError, match="no module's input"):
        lm.layers.register_hook("blocks.1.hook_attn_out", Doubling(1))
    detector = LayerActivationDetector(hook_type=HookType.PRE_FORWARD)
    with HookContext(lm.layers, detector, "transformer.h.1.mlp.c_proj"):
        lm(PROMPT)
    assert torch.equal(detector.get_captured(), lm.run_with_cache(PROMPT, "blocks.1.mlp.hook_post")[1]["post", 1])
    assert is_clean(lm)


def test_modules_that_return_tuples_are_hooked_as_those_that_return_tensors() -> None:
    lm = model_of("bloom")
    with torch.no_grad():
        assert isinstance(lm.structure.blocks[0](torch.zeros(1, 1, 32), torch.zeros(4, 1, 1), None), tuple)
    detector = LayerActivationDetector()
    with HookContext(lm.layers, detector, "transformer.h.0.self_attention"):
        doubled = lm.run_with_hooks(PROMPT, [("transformer.h.0", lambda activation, hook: activation * 2)])
    assert detector.get_captured().shape[-1] == 32 and not torch.equal(doubled, lm(PROMPT))


def test_modules_that_return_none_are_passed_on_without_asking() -> None:
    lm = new_lm("gpt2")

    class Nothing(torch.nn.Module):
        def forward(self) -> None:
            return None

    block = lm.structure.blocks[0]
    block.add_module("nothing", Nothing())
    calls: list[Any] = []
    with lm.layers.hooked([("transformer.h.0.nothing", lambda activation: calls.append(activation))]):
        assert block.nothing() is None
    assert not calls and FunctionController(None, lambda x: x).modify_activations(block, (), None) is None


def test_only_detectors_act_without_controllers() -> None:
    lm = linear_model()
    detector = LayerActivationDetector(0)
    lm.layers.register_hook(0, FunctionController(0, lambda x: x * 3))
    lm.layers.register_hook(0, detector)
    lm.add_hook(1, lambda activation, hook: activation * 5)
    with_them, encodings = lm.inference.execute_inference(["I"])
    assert torch.equal(encodings["attention_mask"], torch.ones_like(encodings["input_ids"]))
    seen = detector.get_captured()
    without, _ = lm.inference.execute_inference(["I"], with_controllers=False)
    torch.testing.assert_close(with_them.logits, 15 * without.logits)
    torch.testing.assert_close(seen, 3 * detector.get_captured())
    lm.reset_hooks()
    assert is_clean(lm)


def test_one_hook_may_read_and_change() -> None:
    lm = linear_model()

    class Both(Detector, Controller):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            self.tensor_metadata["activations"] = output

        def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
            return output * 2

    both = Both(layer_signature=0)
    with HookContext(lm.layers, both, 0):
        assert torch.equal(lm([2]), logits_of(54.0, 27.0))
        assert both.get_captured().flatten().tolist() == [24.0, 12.0]
        both.clear_captured()
        assert both.get_captured() is None
        lm.inference.execute_inference("a", with_controllers=False)
        assert both.get_captured() is not None


# Rows


def test_rows_of_a_batch_are_hooked_on_their_own() -> None:
    lm = model_of("llama")
    plain = lm([SHORT, LONG])
    one = lm.run_with_hooks([SHORT, LONG], [(1, lambda activation, hook: activation * 2)], rows=[0])
    alone = lm.run_with_hooks(SHORT, [(1, lambda activation, hook: activation * 2)])
    assert torch.equal(one[1], plain[1])
    torch.testing.assert_close(one[0, -alone.shape[1] :], alone[0], atol=1e-5, rtol=1e-4)
    own = ScalingController(None, 2.0, rows=[0])
    found = lm.run_with_hooks([SHORT, LONG], [(1, own)])
    assert torch.equal(found[1], plain[1]) and torch.equal(found[0, -alone.shape[1] :], one[0, -alone.shape[1] :])
    assert torch.equal(lm.run_with_hooks([SHORT, LONG], [(1, own)], rows=[5]), plain)


def test_positions_are_given_from_the_start_of_each_row() -> None:
    lm = model_of("bloom")
    seen: list[Any] = []

    class Seeing(Detector):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            assert self.moment is not None
            seen.append((self.moment.positions.tolist(), self.moment.ids, self.moment.rows))

    with HookContext(lm.layers, Seeing(), 0):
        lm(["ab", "abcd"])
        lm.generate("ab", 2)
    short, long = len(lm.encode("ab", raw=True)), len(lm.encode("abcd", raw=True))
    assert seen[0][0] == [[-1] * (long - short) + list(range(short)), list(range(long))] and seen[0][2] == (0, 1)
    assert [entry[0] for entry in seen[1:]] == [[list(range(short))], [[short]]]
    assert seen[0][1].shape == (2, long)


# Generation


@pytest.mark.parametrize("name", ["gpt2", "llama", "falcon", "bloom", "gemma2"])
def test_hooks_act_on_the_steered_row_alone_also_beside_a_recipe(name: str) -> None:
    lm = model_of(name)
    vectors = new_vectors(lm, "happy")
    request = Request(PROMPT, "happy:4@1", Sampling(0, max_tokens=6), raw=True)
    plain = generate(lm, request, vectors)
    hooks = [("blocks.0.hook_mlp_out", lambda activation, hook: activation * -3)]
    both = generate(lm, request, vectors, hooks=hooks)
    assert both.baseline is not None and plain.baseline is not None
    assert both.baseline.ids == plain.baseline.ids and both.steered.ids != plain.steered.ids
    with lm.hooks(hooks):
        registered = generate(lm, request, vectors)
    assert registered.steered == both.steered and registered.baseline == both.baseline
    # As one full pass over the text, with hook and recipe.
    begin, ids = lm.encode(PROMPT, raw=True), list(both.steered.ids)
    added = 4 * vectors["happy"].layers[1]
    with lm.hooks([*hooks, (1, lambda activation, hook: activation + added)]):
        again = lm(begin + ids)[0, len(begin) - 1 : -1].argmax(-1).tolist()
    assert again == ids and is_clean(lm)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bloom", "gptj"])
def test_transformers_own_generate_runs_with_hooks_as_ours_does(name: str) -> None:
    lm = model_of(name)
    ids = lm.to_tokens(PROMPT)
    request = Request(PROMPT, "", Sampling(0, max_tokens=5), baseline=False, raw=True)
    hooks = [(1, ScalingController(None, -1.5)), ("blocks.0.attn.hook_v", lambda activation, hook: activation * 2)]
    ours = generate(lm, request, {}, measures=False, hooks=hooks).steered.ids
    with lm.hooks(hooks):
        options = {"do_sample": False, "max_new_tokens": 5, "pad_token_id": 0}
        found = lm.model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        theirs = found[0, ids.shape[1] :].tolist()
    assert list(ours) == theirs[: len(ours)] and is_clean(lm)


def test_hooks_and_their_values_may_change_between_steps() -> None:
    from steer_tui.engine.decode import Decoder, Row

    lm = model_of("llama")
    scale, seen = ScalingController(None, 1.0), LayerActivationDetector()
    sizes: list[float] = []
    with Decoder(lm, [Row([5, 6], (), Sampling(0, max_tokens=9))] * 2, hooks=[(1, scale)], hook_rows=[0]) as decoder:
        for scale.scale_factor in (1.0, 1.0, 0.0):
            decoder.step()
        lm.layers.register_hook(1, seen)
        decoder.step()
        sizes.append(float(seen.get_captured().abs().max()))
        scale.disable()
        decoder.step()
        sizes.append(float(seen.get_captured().abs().max()))
        assert seen.get_captured().shape[0] == 1, "what is put on while a run lasts is kept to its rows"
        lm.layers.unregister_hook(seen)
    assert sizes[0] == 0 < sizes[1] and is_clean(lm)


def test_measures_and_gates_are_read_without_hooks() -> None:
    lm = model_of("llama")
    vectors = new_vectors(lm, "happy")
    request = Request(PROMPT, "happy:1@1?happy>-100", Sampling(0, max_tokens=4), raw=True)
    plain = generate(lm, request, vectors)
    passes: list[int] = []
    with lm.hooks([(0, lambda activation, hook: passes.append(activation.shape[1]))]):
        watched = generate(lm, request, vectors)
    assert passes == [len(plain.prompt_ids), 1, 1, 1]
    assert watched.measures == plain.measures and watched.steered == plain.steered


def test_a_hook_comes_after_the_recipe_at_the_same_block_also_after_a_live_change() -> None:
    from steer_tui.engine.decode import Decoder, Row
    from steer_tui.engine.recipe import parse_recipe
    from steer_tui.engine.resolve import resolve

    lm = model_of("llama")
    vectors = new_vectors(lm, "happy")
    seen: list[Tensor] = []
    terms = resolve(parse_recipe("happy:100@1"), vectors, lm.info.layers, lm.info.width)
    rows = [Row(random_ids(lm, 4), (), Sampling(0, max_tokens=3))]
    with Decoder(lm, rows, hooks=[(1, lambda activation, hook: seen.append(activation))]) as decoder:
        decoder.step()
        decoder.steer({0: terms})
        decoder.step()
    assert seen[0].norm(dim=-1).max() < 50 < 100 < seen[1].norm(dim=-1).min()


# Errors


def broken(activation: Tensor, hook: Any) -> Tensor:
    return activation.no_such_thing()


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (broken, "AttributeError"),
        (lambda activation, hook: activation[:, :1], r"shape \(1, 1, 32\)"),
        (lambda activation, hook: activation.double(), "float64"),
        (lambda activation, hook: activation * float("nan"), "NaN"),
        (lambda activation, hook: "text", "str"),
    ],
)
@pytest.mark.parametrize("point", ["blocks.1.hook_resid_post", "blocks.1.attn.hook_pattern"])
def test_an_error_in_a_hook_names_hook_point_and_line_and_leaves_the_model_clean(
    function: Any, text: str, point: str
) -> None:
    lm = model_of("llama")
    if "shape" in text and "pattern" in point:
        text = "shape"
    plain = lm(PROMPT)
    lm.add_hook(0, lambda activation, hook: activation * 2)
    with pytest.raises(HookError, match=text) as raised:
        lm.run_with_hooks(PROMPT, [("hook_embed", lambda activation, hook: activation), (point, function)])
    error = raised.value
    assert error.point == point and error.hook in ("broken", "lambda") and error.hint
    assert error.file == __file__ and error.line and f"line {error.line}" in error.message
    assert is_clean(lm) and torch.equal(lm(PROMPT), plain)


def test_the_line_is_that_of_the_failing_statement() -> None:
    lm = model_of("gpt2")
    with pytest.raises(HookError) as raised:
        lm.run_with_hooks(PROMPT, [(0, broken)])
    assert raised.value.line == broken.__code__.co_firstlineno + 1
    with pytest.raises(HookError, match="modify_activations") as raised:
        lm.run_with_hooks(PROMPT, [(0, Controller())])
    assert raised.value.file is None


def test_the_line_is_the_users_where_a_library_of_python_raises() -> None:
    def asks_a_library(activation: Tensor, hook: Any) -> None:
        json.loads("no JSON")

    with pytest.raises(HookError, match="JSONDecodeError") as raised:
        model_of("gpt2").run_with_hooks(PROMPT, [(0, asks_a_library)])
    assert (raised.value.file, raised.value.line) == (__file__, asks_a_library.__code__.co_firstlineno + 1)


def test_minus_infinity_masks_scores_and_logits_and_is_refused_elsewhere() -> None:
    lm = model_of("llama")

    def mask_first(activation: Tensor, hook: Any) -> Tensor:
        activation[..., 1:, 0] = -torch.inf
        return activation

    for point in ("blocks.1.attn.hook_attn_scores", "hook_logits"):
        assert not lm.run_with_hooks(PROMPT, [(point, mask_first)]).isnan().any()
    for point in ("blocks.1.hook_resid_post", "blocks.1.attn.hook_pattern", "blocks.1.attn.hook_z"):
        with pytest.raises(HookError, match="minus infinity"):
            lm.run_with_hooks(PROMPT, [(point, mask_first)])
    assert is_clean(lm)


def test_hooks_that_stay_after_a_run_are_on_their_side_and_all_or_none() -> None:
    lm = model_of("gpt2")
    silence = FunctionController(None, lambda x: x * 0, hook_type="pre_forward")
    during = lm.run_with_hooks(PROMPT, [("layer_1", silence)], reset_hooks_end=False)
    assert torch.equal(lm(PROMPT), during)
    lm.reset_hooks()
    assert torch.equal(lm.run_with_hooks(PROMPT, [("blocks.1.hook_resid_pre", lambda x: x * 0)]), during)
    with pytest.raises(UsageError, match="nowhere"):
        lm.run_with_hooks(PROMPT, [(0, silence.function), ("nowhere", print)], reset_hooks_end=False)
    assert is_clean(lm)


@pytest.mark.parametrize("kind", ["gpt2", "bloom"])
def test_an_error_while_text_streams_leaves_the_model_clean(kind: str) -> None:
    lm = model_of(kind)
    plain = lm.generate(PROMPT, 4)
    calls: list[int] = []

    def third_time(activation: Tensor, hook: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise ValueError("enough")

    with pytest.raises(HookError, match="enough"):
        lm.generate(PROMPT, 8, hooks=[("blocks.0.attn.hook_q", third_time)])
    assert is_clean(lm) and lm.generate(PROMPT, 4) == plain


def test_hooks_of_a_run_may_come_from_an_iterator() -> None:
    lm = model_of("llama")
    pairs = [(0, ScalingController(None, 3.0)), (1, lambda a: a * 0.5)]
    wanted = lm.generate(PROMPT, 6, hooks=pairs)
    assert wanted != lm.generate(PROMPT, 6)
    assert lm.generate(PROMPT, 6, hooks=iter(pairs)) == wanted
    assert lm.generate(PROMPT, 6, hooks=(pair for pair in pairs)) == wanted


def test_numbers_that_overflow_end_the_run_with_one_error() -> None:
    lm = model_of("llama")
    for factor in (1e38, 3e38):
        with pytest.raises(UsageError, match="overflow at token 1"):
            lm.generate(PROMPT, 6, hooks=[(1, ScalingController(None, factor))])
    assert is_clean(lm) and lm.generate(PROMPT, 3)


def test_what_is_no_hook_and_what_is_no_prompt_is_refused() -> None:
    lm = model_of("gpt2")
    for wrong in ("text", 3, None):
        with pytest.raises(UsageError, match="no hook"):
            lm.add_hook(0, wrong)  # type: ignore[arg-type]
    for prompt in ([], [[]], [10_000], torch.tensor([[-1]]), torch.ones(1, 3), None, 7):
        with pytest.raises(UsageError):
            lm(prompt)  # type: ignore[arg-type]
    for entry in (0, "blocks.0.hook_resid_post", (0,)):
        with pytest.raises(UsageError, match="pairs"):
            lm.run_with_hooks(PROMPT, [entry])  # type: ignore[list-item]
    for point in (1.5, None):
        with pytest.raises(UsageError, match="names no hook point"):
            lm.layers.register_hook(point, print)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="names no hook point"):
            lm.run_with_hooks(PROMPT, [(point, print)])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="return_type"):
        lm(PROMPT, return_type="text")
    with pytest.raises(UsageError, match="tokens"):
        lm("word " * 500)


def test_contexts_take_their_hooks_off_whatever_is_raised() -> None:
    lm = linear_model()
    controller = FunctionController(0, lambda x: x * 2)
    context = HookContext(lm.layers, controller, 0)
    with pytest.raises(KeyError), context as hook:
        assert hook is controller and context.hook_id == controller.id
        raise KeyError
    assert context.hook_id is None and is_clean(lm)
    with pytest.raises(KeyError), lm.hooks([(0, controller), (1, controller)]):
        raise KeyError
    with pytest.raises(UsageError), lm.hooks([(0, controller), ("nowhere", controller)]):
        pass
    assert is_clean(lm)


def test_a_thousand_registrations_leave_no_hook() -> None:
    lm = model_of("llama")
    points = ["blocks.0.hook_resid_mid", 1, "blocks.2.attn.hook_z", "model.layers.1.mlp", "hook_logits"]
    for turn in range(1000):
        hook_id = lm.layers.register_hook(points[turn % len(points)], LayerActivationDetector())
        assert lm.layers.unregister_hook(hook_id)
    assert is_clean(lm)


# Gradients and losses


def test_a_vector_at_a_point_is_optimised_against_the_loss() -> None:
    lm = model_of("llama")
    vector = torch.zeros(32, requires_grad=True)
    optimiser = torch.optim.SGD([vector], lr=2.0)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = lm.run_with_hooks(PROMPT, [(1, lambda a, hook: a + vector)], return_type="loss", keep_graph=True)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert all(later < earlier for earlier, later in pairwise(losses))
    assert losses[0] == pytest.approx(float(lm(PROMPT, return_type="loss")), abs=1e-6)
    assert not any(parameter.requires_grad for parameter in lm.model.parameters())
    with torch.enable_grad():
        assert not lm.run_with_hooks(PROMPT, [(1, lambda a, hook: a + vector)]).requires_grad


@pytest.mark.parametrize("point", ["blocks.1.hook_resid_mid", "blocks.1.attn.hook_pattern", "blocks.1.attn.hook_z"])
@pytest.mark.parametrize("name", ["llama", "opt", "bloom"])
def test_gradients_reach_every_kind_of_point(name: str, point: str) -> None:
    lm = model_of(name)
    factor = torch.ones((), requires_grad=True)
    loss = lm.run_with_hooks([PROMPT, SHORT], [(point, lambda a, hook: a * factor)], "loss", keep_graph=True)
    loss.backward()
    step = 1e-2
    sides = [
        float(lm.run_with_hooks([PROMPT, SHORT], [(point, lambda a, hook, by=by: a * by)], "loss"))
        for by in (1 + step, 1 - step)
    ]
    assert float(factor.grad) == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=0.05, abs=1e-3)  # type: ignore[arg-type]


def test_the_loss_leaves_padding_out() -> None:
    lm = model_of("gpt2")
    losses = [float(lm(text, return_type="loss")) for text in (SHORT, LONG)]
    counts = [len(lm.encode(text, raw=True)) - 1 for text in (SHORT, LONG)]
    both = float(lm([SHORT, LONG], return_type="loss"))
    assert both == pytest.approx(sum(map(lambda loss, n: loss * n, losses, counts)) / sum(counts), rel=1e-5)
    logits, loss = lm(SHORT, return_type="both")
    told = torch.log_softmax(logits[0, :-1], -1)[range(counts[0]), lm.encode(SHORT, raw=True)[1:]]
    assert float(loss) == pytest.approx(-float(told.mean()), rel=1e-5)
    assert lm(SHORT, return_type=None) is None


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_dtype_is_kept(name: str) -> None:
    import copy

    from steer_tui.engine.model import LanguageModel

    lm = model_of(name)
    half = LanguageModel(copy.deepcopy(lm.model).to(torch.bfloat16), lm.tokenizer, ref=name, id=name)
    points = [point for point in half.hook_dict if point != "hook_tokens"]
    plain = half(PROMPT)
    for point in points:
        assert half.run_with_hooks(PROMPT, [(point, ScalingController(None, 1.0))]).dtype == torch.bfloat16, point
    with half.hooks([(point, ScalingController(None, 1.0)) for point in points if "attn.hook" not in point]):
        assert torch.equal(half(PROMPT), plain)
    zero = half.run_with_cache(PROMPT, "blocks.1.hook_resid_mid")[1]
    with half.hooks([("blocks.1.hook_resid_mid", lambda a: a * 0)]):
        _, cache = half.run_with_cache(PROMPT, ["blocks.1.hook_resid_mid", "blocks.1.hook_mlp_out", 1])
    assert zero["resid_mid", 1].abs().max() > 0 and torch.equal(cache["resid_post", 1], cache["mlp_out", 1])


def test_nothing_is_logged_and_nothing_is_warned(caplog: pytest.LogCaptureFixture, recwarn: Any) -> None:
    lm = model_of("falcon")
    with caplog.at_level(logging.INFO):
        lm.run_with_cache([PROMPT, SHORT])
        lm.generate(PROMPT, 2, hooks=[(lambda name: "pattern" in name, lambda activation, hook: activation)])
    assert not caplog.records and not list(recwarn) and len(lm.layers) == LAYERS
