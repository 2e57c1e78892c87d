"""The examples that people know from other tools' guides, with our imports and models: each does what its text says.

Examples that name GPT-2's modules run on a random model of that architecture, the others on the built-in demo model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steer_tui import LanguageModel, SteerError
from steer_tui.hooks import (
    AddController,
    Controller,
    Detector,
    FunctionController,
    HookContext,
    HookError,
    HookType,
    LayerActivationDetector,
    RunningStatsDetector,
    TopKSae,
    Trace,
    bias_edit,
)
from tests.unit.hooktools import is_clean
from tests.unit.tiny import new_lm

C_ATTN = "transformer.h.0.attn.c_attn"
TEXTS = ["Hello, world!"]


@cache
def gpt2() -> LanguageModel:
    """A random GPT-2 of 12 blocks, wide enough for every index that the guides name."""
    return new_lm("gpt2", n_layer=12, n_embd=96, n_head=6)


@cache
def demo() -> LanguageModel:
    """The built-in model."""
    return LanguageModel.load("demo")


@pytest.fixture
def lm() -> Iterator[LanguageModel]:
    """GPT-2; the test must leave it clean."""
    yield gpt2()
    assert is_clean(gpt2())


@pytest.fixture(params=["demo", "gpt2"])
def model(request: pytest.FixtureRequest) -> Iterator[LanguageModel]:
    """The demo model, and GPT-2; the test must leave it clean."""
    try:
        found = demo() if request.param == "demo" else gpt2()
    except SteerError as error:
        pytest.skip(f"no demo model: {error}")
    yield found
    assert is_clean(found)


def run(lm: LanguageModel, *hooks: tuple[Any, Any], with_controllers: bool = True) -> Tensor:
    with lm.layers.hooked(hooks):
        return lm.inference.execute_inference(TEXTS, with_controllers=with_controllers)[0].logits


# Activation control


def test_a_detector_shows_what_a_module_returns(lm: LanguageModel) -> None:
    detector = LayerActivationDetector(C_ATTN)
    hook_id = lm.layers.register_hook(C_ATTN, detector)
    _, encodings = lm.inference.execute_inference(TEXTS)
    activations = detector.get_captured()
    assert activations.shape == (*encodings["input_ids"].shape, 3 * 96)
    assert isinstance(activations.mean().item(), float) and activations.std().item() > 0
    assert lm.layers.unregister_hook(hook_id)


def test_a_function_controller_scales(lm: LanguageModel) -> None:
    controller = FunctionController(layer_signature=C_ATTN, function=lambda x: x * 1.5)
    seen = LayerActivationDetector(C_ATTN)
    hook_ids = [lm.layers.register_hook(C_ATTN, hook) for hook in (controller, seen)]
    outputs, _ = lm.inference.execute_inference(TEXTS)
    for hook_id in hook_ids:
        lm.layers.unregister_hook(hook_id)
    plain = LayerActivationDetector(C_ATTN)
    unscaled = run(lm, (C_ATTN, plain))
    assert torch.equal(seen.get_captured(), plain.get_captured() * 1.5)
    assert not torch.equal(outputs.logits, unscaled)


class ScalingController(Controller):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int, scale_factor: float) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.scale_factor = scale_factor

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        return output if output is None else output * self.scale_factor


class SelectiveController(Controller):
    """As the guide writes it: neurons that are not there are let be."""

    def __init__(self, layer_signature: str | int, neuron_indices: list[int], scale: float) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.neuron_indices = set(neuron_indices)
        self.scale = scale

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        if output is None or not isinstance(output, Tensor):
            return output
        modified = output.clone()
        for index in self.neuron_indices:
            if index < modified.shape[-1]:
                modified[..., index] *= self.scale
        return modified


def test_own_controllers_scale_all_neurons_or_some(lm: LanguageModel) -> None:
    before, after = LayerActivationDetector(), LayerActivationDetector()
    run(lm, (C_ATTN, before), (C_ATTN, ScalingController(C_ATTN, scale_factor=1.5)), (C_ATTN, after))
    assert torch.equal(after.get_captured(), before.get_captured() * 1.5)
    controller = SelectiveController(C_ATTN, neuron_indices=[42, 100, 200, 10_000], scale=2.0)
    run(lm, (C_ATTN, before), (C_ATTN, controller), (C_ATTN, after))
    ratio = after.get_captured() / before.get_captured()
    assert ratio[..., [42, 100, 200]].unique().tolist() == [2.0]
    ratio[..., [42, 100, 200]] = 1.0
    assert ratio.unique().tolist() == [1.0]


def test_early_and_late_changes_both_apply(lm: LanguageModel) -> None:
    early = FunctionController(C_ATTN, lambda x: x * 1.2)
    late = FunctionController("transformer.h.10.attn.c_attn", lambda x: x * 0.8)
    both = run(lm, (early.layer_signature, early), (late.layer_signature, late))
    alone = [run(lm, (hook.layer_signature, hook)) for hook in (early, late)]
    assert not any(torch.equal(both, one) for one in [*alone, run(lm)])
    hook1, hook2 = lm.layers.register_hook("layer_0", early), lm.layers.register_hook("layer_10", late)
    cascade = run(lm)
    assert lm.layers.unregister_hook(hook1) and lm.layers.unregister_hook(hook2)
    assert not torch.equal(cascade, run(lm))


class CoordinatedController(Controller):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int, reference_detector: Detector) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.reference_detector = reference_detector
        self.scales: list[float] = []

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        reference = self.reference_detector.get_captured()
        if reference is None or output is None:
            return output
        self.scales.append(1.0 + 0.1 * reference.mean().item())
        return output * self.scales[-1]


@pytest.mark.parametrize(("first", "then"), [(C_ATTN, "transformer.h.5.attn.c_attn"), ("layer_0", "layer_5")])
def test_a_controller_uses_what_an_earlier_layer_did_in_the_same_pass(lm: LanguageModel, first: str, then: str) -> None:
    detector = LayerActivationDetector(first)
    coordinated = CoordinatedController(then, detector)
    found = run(lm, (first, detector), (then, coordinated))
    scale = 1.0 + 0.1 * detector.get_captured().mean().item()
    assert coordinated.scales == [scale]
    torch.testing.assert_close(found, run(lm, (then, lambda x: x * scale)))


def test_baseline_and_intervention_are_compared(lm: LanguageModel) -> None:
    hook_id = lm.layers.register_hook("layer_0", FunctionController("layer_0", lambda x: x * 1.5))
    baseline, _ = lm.inference.execute_inference(["Your prompt"], with_controllers=False)
    intervention, _ = lm.inference.execute_inference(["Your prompt"], with_controllers=True)
    difference = intervention.logits - baseline.logits
    lm.layers.unregister_hook(hook_id)
    assert difference.abs().max() > 0
    assert torch.equal(lm.inference.execute_inference(["Your prompt"])[0].logits, baseline.logits)


# Conditions and pipelines


class ConditionalController(Controller):
    """As the guides write it: a function decides, or a threshold of the mean magnitude."""

    def __init__(
        self, layer_signature: str | int, condition_fn: Any = None, modification_fn: Any = None, threshold: float = 1.0
    ) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.condition_fn = condition_fn or (lambda x: x.abs().mean().item() > threshold)
        self.modification_fn = modification_fn or (lambda x: x * 1.5)

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        if output is None or not self.condition_fn(output):
            return output
        return self.modification_fn(output)


def test_a_condition_decides_whether_to_act(lm: LanguageModel) -> None:
    plain, scaled = run(lm), run(lm, ("layer_0", lambda x: x * 1.5))
    detector = LayerActivationDetector()
    run(lm, ("layer_0", detector))
    size = detector.get_captured().abs().mean().item()
    for threshold, wanted in ((size * 0.9, scaled), (size * 1.1, plain)):
        assert torch.equal(run(lm, ("layer_0", ConditionalController("layer_0", threshold=threshold))), wanted)
        own = ConditionalController("layer_0", lambda x, t=threshold: x.abs().mean() > t, lambda x: x * 1.5)
        assert torch.equal(run(lm, ("layer_0", own)), wanted)


class TokenConditionalController(Controller):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int, token_indices: list[int]) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.token_indices = set(token_indices)

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        modified = output.clone()
        for index in self.token_indices:
            if index < modified.shape[1]:
                modified[:, index, :] *= 2.0
        return modified


class BatchConditionalController(Controller):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.batch_count = 0

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        self.batch_count += 1
        return output * 1.5 if self.batch_count % 10 == 0 else output


def test_tokens_and_batches_may_be_conditions(lm: LanguageModel) -> None:
    before, after = LayerActivationDetector(), LayerActivationDetector()
    run(lm, (0, before), (0, TokenConditionalController(0, [1, 3, 999])), (0, after))
    ratio = (after.get_captured() / before.get_captured())[0].mean(-1)
    torch.testing.assert_close(ratio[:5], torch.tensor([1.0, 2.0, 1.0, 2.0, 1.0]))
    controller = BatchConditionalController("layer_0")
    plain = run(lm)
    with HookContext(lm.layers, controller, "layer_0"):
        same = [torch.equal(run(lm), plain) for _ in range(11)]
    assert same == [True] * 9 + [False, True] and controller.batch_count == 11


class PipelineController(Controller):
    """As the guides write it."""

    def __init__(self, layer_signature: str | int, transformations: list[Any]) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.transformations = transformations

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        for transform in self.transformations:
            output = transform(output)
        return output


class ConditionalPipeline(Controller):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int, condition_fn: Any, pipeline_a: Any, pipeline_b: Any) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.condition_fn, self.pipeline_a, self.pipeline_b = condition_fn, pipeline_a, pipeline_b

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        return self.pipeline_a(output) if self.condition_fn(output) else self.pipeline_b(output)


def test_transformations_run_one_after_the_other(lm: LanguageModel) -> None:
    steps = [lambda x: x * 1.2, lambda x: torch.clamp(x, -2, 2), lambda x: (x - x.mean()) / (x.std() + 1e-8)]
    after = LayerActivationDetector()
    run(lm, ("layer_0", PipelineController("layer_0", transformations=steps)), ("layer_0", after))
    found = after.get_captured()
    assert abs(found.mean().item()) < 1e-5 and found.std().item() == pytest.approx(1.0, abs=1e-4)
    up, down = (lambda x: x * 2.0), (lambda x: x * 0.5)
    for holds, wanted in ((True, up), (False, down)):
        pipeline = ConditionalPipeline("layer_0", lambda x, holds=holds: holds, up, down)
        assert torch.equal(run(lm, ("layer_0", pipeline)), run(lm, ("layer_0", wanted)))


# Contexts and cleaning up


def test_hooks_are_gone_after_a_context_and_after_finally(lm: LanguageModel) -> None:
    controller = FunctionController("layer_0", lambda x: x * 1.5)
    plain = run(lm)
    with HookContext(lm.layers, controller, "layer_0") as hook:
        assert hook is controller and not torch.equal(run(lm), plain)
    assert torch.equal(run(lm), plain)
    hook_id = None
    try:
        hook_id = lm.layers.register_hook("layer_0", controller)
        raise RuntimeError("something else")
    except RuntimeError:
        pass
    finally:
        if hook_id:
            lm.layers.unregister_hook(hook_id)
    assert torch.equal(run(lm), plain)


def test_registered_once_hooks_serve_all_batches(lm: LanguageModel) -> None:
    layers, dataset = [0, 5, 10], [["one", "two words"], ["three"], ["four of them", "five"]]
    detectors: dict[int, LayerActivationDetector] = {}
    hook_ids = []
    try:
        for layer in layers:
            detectors[layer] = LayerActivationDetector(f"transformer.h.{layer}.attn.c_attn")
            hook_ids.append(lm.layers.register_hook(f"transformer.h.{layer}.attn.c_attn", detectors[layer]))
        for batch in dataset:
            lm.inference.execute_inference(batch)
            assert all(detector.get_captured().shape[0] == len(batch) for detector in detectors.values())
    finally:
        for hook_id in hook_ids:
            lm.layers.unregister_hook(hook_id)
    means = {layer: detector.get_captured().mean().item() for layer, detector in detectors.items()}
    assert len(set(means.values())) == 3


# Autoencoders


def test_an_autoencoder_detects_and_controls(lm: LanguageModel) -> None:
    sae = TopKSae(n_latents=512, n_inputs=96, k=8)
    plain = run(lm)
    hook_id = lm.attach_sae(sae, layer_signature="layer_0")
    sae.concepts.enable_text_tracking(top_k=10)
    assert torch.equal(run(lm), plain), "unmanipulated, the reconstruction error is added back"
    latents = sae.get_captured()
    assert latents.shape[-1] == 512 and ((latents != 0).sum(-1) <= 8).all()
    best = int(latents.sum((0, 1)).argmax())
    assert "Hello"[:1] in sae.concepts.get_top_texts(best)[0].text
    sae.concepts.manipulate_concept(neuron_idx=best, scale=1.5)
    assert not torch.equal(run(lm), plain)
    sae.concepts.manipulate_concept(neuron_idx=best, scale=1.0)
    assert torch.equal(run(lm), plain)
    idle = int((latents.abs().sum((0, 1)) == 0).nonzero()[0])
    sae.concepts.manipulate_concept(neuron_idx=idle, scale=100.0)
    assert torch.equal(run(lm), plain), "editing one latent shifts no other"
    for wrong in (512, -1):
        with pytest.raises(SteerError):
            sae.concepts.manipulate_concept(wrong, 1.0)
    lm.layers.unregister_hook(hook_id)
    assert sae.decode(latents).shape[-1] == 96


# Performance, memory, debugging


class MemoryEfficientDetector(Detector):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int, max_batches: int = 100) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.max_batches = max_batches
        self.batch_count = 0

    def process_activations(self, module: Any, input: Any, output: Any) -> None:
        self.batch_count += 1
        if self.batch_count > self.max_batches:
            self.tensor_metadata.clear()
            self.batch_count = 0
        if output is not None:
            self.tensor_metadata["activations"] = output.detach().cpu()


class LimitedAccumulator(Detector):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int, max_batches: int = 10) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.max_batches = max_batches
        self.batches: list[Tensor] = []

    def process_activations(self, module: Any, input: Any, output: Any) -> None:
        self.batches.append(output.detach().cpu())
        if len(self.batches) > self.max_batches:
            self.batches.pop(0)


def test_own_detectors_stay_within_their_memory(lm: LanguageModel) -> None:
    frugal, limited = MemoryEfficientDetector("layer_0", max_batches=2), LimitedAccumulator("layer_0", max_batches=3)
    with lm.layers.hooked([(0, frugal), (0, limited)]):
        for _ in range(6):
            run(lm)
    assert frugal.batch_count == 0 and frugal.get_captured() is not None and len(limited.batches) == 3
    frugal.clear_captured()
    assert frugal.get_captured() is None and not frugal.tensor_metadata


class LoggingController(Controller):
    """As the guide writes it: no constructor of its own."""

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        logging.getLogger("example").debug(f"Hook {self.id}: shape={output.shape}, mean={output.mean().item()}")
        return output * 2.0


class StatisticsController(Controller):
    """As the guide writes it."""

    def __init__(self, layer_signature: str | int) -> None:
        super().__init__(hook_type=HookType.FORWARD, layer_signature=layer_signature)
        self.modification_count = 0
        self.total_scale = 0.0

    def modify_activations(self, module: Any, inputs: Any, output: Any) -> Any:
        self.modification_count += 1
        self.total_scale += 2.0
        return output * 2.0

    def get_stats(self) -> dict[str, float]:
        count = self.modification_count
        return {"modifications": count, "avg_scale": self.total_scale / count if count else 0}


def test_hooks_may_log_and_count(lm: LanguageModel, caplog: pytest.LogCaptureFixture) -> None:
    logger, counter = LoggingController(), StatisticsController("layer_0")
    with caplog.at_level(logging.DEBUG, logger="example"), lm.layers.hooked([(0, logger), (0, counter)]):
        found = [run(lm) for _ in range(3)]
    assert counter.get_stats() == {"modifications": 3, "avg_scale": 2.0}
    assert caplog.text.count(f"Hook {logger.id}: shape=") == 3
    assert torch.equal(found[0], run(lm, (0, lambda x: x * 4.0)))


def test_the_usual_mistakes_do_no_harm(lm: LanguageModel) -> None:
    plain = run(lm)

    def in_place(x: Tensor) -> Tensor:
        x *= 2.0
        return x

    assert torch.equal(run(lm, (0, FunctionController(0, in_place))), run(lm, (0, lambda x: x * 2.0)))
    assert torch.equal(run(lm), plain), "an edit in place does not reach the next pass"
    kept: list[Tensor] = []

    class Hoarding(Detector):
        def process_activations(self, module: Any, input: Any, output: Any) -> None:
            kept.append(output)

    run(lm, (0, Hoarding()), (0, in_place))
    assert torch.equal(kept[0], lm.run_with_cache(TEXTS, 0)[1]["layer_0"])
    lm.layers.register_hook("layer_0", in_place)
    lm.reset_hooks()
    assert torch.equal(run(lm), plain), "a forgotten hook is gone after a reset"


# Hooks and interventions by points


def layer_of(model: LanguageModel, wanted: int) -> int:
    return min(wanted, model.cfg.n_layers - 1)


def test_a_hook_sees_activation_and_place(model: LanguageModel, capsys: pytest.CaptureFixture[str]) -> None:
    def my_hook(activation: Tensor, hook: Any) -> Tensor:
        print(f"At {hook.name}: shape {tuple(activation.shape)}")
        return activation

    found = model.run_with_hooks("Hello world", fwd_hooks=[("blocks.0.attn.hook_pattern", my_hook)])
    count = model.to_tokens("Hello world").shape[1]
    shape = (1, model.cfg.n_heads, count, count)
    assert capsys.readouterr().out == f"At blocks.0.attn.hook_pattern: shape {shape}\n"
    torch.testing.assert_close(found, model("Hello world"), atol=1e-4, rtol=1e-4)
    patterns = model.run_with_hooks("Hello", fwd_hooks=[(lambda name: "attn" in name and "pattern" in name, my_hook)])
    assert capsys.readouterr().out.count("At blocks.") == model.cfg.n_layers and patterns is not None


def test_every_interesting_activation_has_a_point(model: LanguageModel) -> None:
    names = [name for name, _ in model.hook_dict.items()]
    per_layer = "hook_resid_pre attn.hook_q attn.hook_k attn.hook_v attn.hook_pattern attn.hook_z hook_attn_out"
    per_layer += " hook_resid_mid mlp.hook_pre mlp.hook_post hook_resid_post"
    wanted = [f"blocks.{layer}.{part}" for layer in range(model.cfg.n_layers) for part in per_layer.split()]
    assert "hook_embed" in names and [name for name in names if name in wanted] == wanted
    assert ("hook_pos_embed" in names) == (model is gpt2())


def test_activations_are_stored_by_name(model: LanguageModel) -> None:
    stored: dict[str, Tensor] = {}

    def store_hook(activation: Tensor, hook: Any) -> Tensor:
        stored[hook.name] = activation.clone()
        return activation

    names = [f"blocks.{layer_of(model, 5)}.{part}" for part in ("hook_resid_post", "attn.hook_pattern")]
    model.run_with_hooks("The cat sat", fwd_hooks=[(name, store_hook) for name in names])
    assert sorted(stored) == sorted(names) and stored[names[0]].shape[-1] == model.cfg.d_model


def zero_head_hook(activation: Tensor, hook: Any, head_idx: int) -> Tensor:
    activation[:, :, head_idx, :] = 0
    return activation


def patch_hook(activation: Tensor, hook: Any, patch_cache: Any, pos: int | None = None) -> Tensor:
    if pos is None:
        activation[:] = patch_cache[hook.name]
    else:
        activation[:, pos] = patch_cache[hook.name][:, pos]
    return activation


def test_zero_ablation_takes_a_head_out(model: LanguageModel) -> None:
    layer, head = layer_of(model, 3), min(5, model.cfg.n_heads - 1)
    name = f"blocks.{layer}.attn.hook_z"
    _, cache = model.run_with_cache("The cat sat", [name, f"blocks.{layer}.hook_attn_out"])
    with model.hooks([(name, partial(zero_head_hook, head_idx=head))]):
        _, ablated = model.run_with_cache("The cat sat", [name, f"blocks.{layer}.hook_attn_out"])
    gone = cache["attn_out", layer] - ablated["attn_out", layer]
    torch.testing.assert_close(gone, cache["z", layer][:, :, head] @ model.W_O[layer, head], atol=1e-4, rtol=1e-3)


def test_patching_and_causal_tracing_find_where_the_prediction_comes_from(model: LanguageModel) -> None:
    clean, corrupted = "The capital of France is", "The capital of Frantz is"
    ids = [model.to_tokens(text)[0].tolist() for text in (clean, corrupted)]
    length = min(map(len, ids))
    clean_ids, corrupted_ids = ids[0][-length:], ids[1][-length:]
    clean_logits, clean_cache = model.run_with_cache(clean_ids)
    corrupted_logits = model(corrupted_ids)
    target = int(clean_logits[0, -1].argmax())
    gap = clean_logits[0, -1, target] - corrupted_logits[0, -1, target]
    results = []
    for layer in range(model.cfg.n_layers):
        name = f"blocks.{layer}.hook_resid_post"
        patched = model.run_with_hooks(corrupted_ids, fwd_hooks=[(name, partial(patch_hook, patch_cache=clean_cache))])
        results.append(float((patched[0, -1, target] - corrupted_logits[0, -1, target]) / gap))
        torch.testing.assert_close(patched, clean_logits, atol=1e-4, rtol=1e-4)
        one = model.run_with_hooks(corrupted_ids, [(name, partial(patch_hook, patch_cache=clean_cache, pos=-1))])
        if layer == model.cfg.n_layers - 1:
            torch.testing.assert_close(one[0, -1], clean_logits[0, -1], atol=1e-4, rtol=1e-4)
    assert results == pytest.approx([1.0] * model.cfg.n_layers, abs=0.05), "a whole layer patched is the clean run"


def test_the_importance_of_heads_is_a_difference_of_losses(model: LanguageModel) -> None:
    prompt = "The meeting went well and"
    clean_loss = model(prompt, return_type="loss")
    ranking = {}
    for layer in (0, model.cfg.n_layers - 1):
        for head in range(model.cfg.n_heads):
            hooks = [(f"blocks.{layer}.attn.hook_z", partial(zero_head_hook, head_idx=head))]
            ablated = model.run_with_hooks(prompt, fwd_hooks=hooks, return_type="loss")
            ranking[layer, head] = float(ablated - clean_loss)
    assert len(set(ranking.values())) == len(ranking) and clean_loss.dim() == 0
    assert sorted(ranking, key=lambda place: -ranking[place])[0] in ranking


def test_the_direct_effect_of_heads_adds_up_to_attention(model: LanguageModel) -> None:
    layer = layer_of(model, 2)
    _, cache = model.run_with_cache("The cat sat")
    effects = []
    for head in range(model.cfg.n_heads):
        head_contrib = cache["z", layer][:, :, head, :] @ model.W_O[layer, head]
        effects.append(head_contrib @ model.W_U)
    assert effects[0].shape == (*cache["hook_tokens"].shape, model.cfg.d_vocab)
    bias = getattr(model.structure.attn_out(layer), "bias", None)
    whole = cache["attn_out", layer] - (bias if bias is not None else 0)
    torch.testing.assert_close(sum(effects), whole @ model.W_U, atol=1e-3, rtol=1e-3)


def test_heads_that_behave_differently_on_a_pair_are_found(model: LanguageModel) -> None:
    _, honest = model.run_with_cache("I think that is wrong", lambda name: "hook_z" in name)
    _, other = model.run_with_cache("I think that is right", lambda name: "hook_z" in name)
    length = min(honest["z", 0].shape[1], other["z", 0].shape[1])
    differences = {
        (layer, head): float((honest["z", layer][:, -length:, head] - other["z", layer][:, -length:, head]).norm())
        for layer in range(model.cfg.n_layers)
        for head in range(model.cfg.n_heads)
    }
    assert max(differences.values()) > 0 and len(differences) == model.cfg.n_layers * model.cfg.n_heads


def test_a_hook_that_returns_nothing_changes_nothing(model: LanguageModel) -> None:
    def forgetful(activation: Tensor, hook: Any) -> None:
        activation[:] = 0

    assert torch.equal(model.run_with_hooks("Hello", [(0, forgetful)]), model("Hello"))


# Activation steering, six ways

DOGS = "I think dogs are "


def love_and_hate(model: LanguageModel, layer: int, point: str = "hook_resid_post") -> Tensor:
    """Return the difference of the last tokens' activations, (1, 1, width)."""
    name = f"blocks.{layer}.{point}"
    love, hate = (model.run_with_cache(word, name)[1][name][:, -1:] for word in ("Love", "Hate"))
    return 4 * (love - hate)


def steered(model: LanguageModel, plus: Any, minus: Any) -> tuple[str, str, str]:
    """Return the texts of both contexts and of none."""
    with plus:
        first = model.generate(DOGS, max_new_tokens=10)
    with minus:
        second = model.generate(DOGS, max_new_tokens=10)
    return first, second, model.generate(DOGS, max_new_tokens=10)


def check(texts: tuple[str, str, str]) -> None:
    assert all(text.startswith(DOGS) for text in texts) and texts[0] != texts[1]


def test_steering_with_transformerlens_names(model: LanguageModel) -> None:
    layer = layer_of(model, 5)
    cache_name = f"blocks.{layer}.hook_resid_post"
    steering_vec = love_and_hate(model, layer)

    def act_add(steering_vec: Tensor) -> Any:
        def hook(activation: Tensor) -> Tensor:
            return activation + steering_vec

        return hook

    texts = []
    for vector in (steering_vec, -steering_vec):
        model.add_hook(name=cache_name, hook=act_add(vector))
        texts.append(model.generate(DOGS, max_new_tokens=10))
        model.reset_hooks()
    check((texts[0], texts[1], model.generate(DOGS, max_new_tokens=10)))


def test_steering_with_traces(model: LanguageModel) -> None:
    layer = layer_of(model, 5)
    module = model.layers[layer]
    with Trace(model.layers, module) as ret:
        model("Love")
        act_love = ret.output
        model("Hate")
        act_hate = ret.output
    assert act_love is not None and act_hate is not None
    vector = 4 * (act_love[:, -1:] - act_hate[:, -1:])
    assert torch.equal(vector, love_and_hate(model, layer))

    def act_add(steering_vec: Tensor) -> Any:
        return lambda output: output + steering_vec

    texts = steered(
        model, model.trace(module, edit_output=act_add(vector)), model.trace(layer, edit_output=act_add(-vector))
    )
    check(texts)
    with model.layers.hooked([(layer, act_add(vector))]):
        assert model.generate(DOGS, max_new_tokens=10) == texts[0]


def test_steering_with_plain_torch_hooks(model: LanguageModel) -> None:
    layer = layer_of(model, 5)
    cache: list[Tensor] = []
    handle = model.layers[layer].register_forward_hook(lambda module, inputs, output: cache.append(output))
    model("Love")
    model("Hate")
    handle.remove()
    vector = 4 * (cache[0][:, -1:] - cache[1][:, -1:])

    def act_add(steering_vec: Tensor) -> Any:
        return lambda module, inputs, output: output + steering_vec

    texts = []
    for one in (vector, -vector):
        handle = model.layers[layer].register_forward_hook(act_add(one))
        texts.append(model.generate(DOGS, max_new_tokens=10))
        handle.remove()
    check((texts[0], texts[1], ""[:0] + DOGS))
    ours = [model.generate(DOGS, 10, hooks=[(layer, AddController(None, one[0, 0]))]) for one in (vector, -vector)]
    assert ours == texts


def test_steering_with_a_wrapper_that_keeps_its_output(model: LanguageModel) -> None:
    class WrappedModule(Detector, Controller):
        """Keeps what a module returns and adds a vector where it has one."""

        steering_vec: Tensor | None = None
        output: Tensor | None = None

        def process_activations(self, module: nn.Module, input: Any, output: Any) -> None:
            self.output = output

        def modify_activations(self, module: nn.Module, inputs: Any, output: Any) -> Any:
            return output if self.steering_vec is None else output + self.steering_vec

    layer = layer_of(model, 5)
    wrapped = WrappedModule()
    with HookContext(model.layers, wrapped, layer):
        acts = []
        for word in ("Love", "Hate"):
            model(word)
            assert wrapped.output is not None
            acts.append(wrapped.output[:, -1:])
        vector = 4 * (acts[0] - acts[1])
        texts = []
        for wrapped.steering_vec in (vector, -vector, None):
            texts.append(model.generate(DOGS, max_new_tokens=10))
    check((texts[0], texts[1], texts[2]))
    assert texts[2] == model.generate(DOGS, max_new_tokens=10)


def test_steering_the_first_tokens_alone(model: LanguageModel) -> None:
    layer = layer_of(model, 6)
    love, hate = (model.run_with_cache(word, layer)[1][f"layer_{layer}"] for word in ("Love", "Hate"))
    steering_vec = love[:, :2, :] - hate[:, :2, :]
    lengths: list[int] = []

    def first_two(activation: Tensor, hook: Any) -> Tensor | None:
        lengths.append(activation.shape[1])
        if activation.shape[1] == 1:
            return None
        activation[:, :2, :] += 8 * steering_vec
        return activation

    assert model.generate(DOGS, 10, hooks=[(layer, first_two)]).startswith(DOGS)
    assert lengths[0] == len(model.encode(DOGS, raw=True)) and set(lengths[1:]) <= {1}


def test_steering_in_the_bias_of_what_reads_the_norm(model: LanguageModel) -> None:
    layer = layer_of(model, 5)
    block = model.structure.blocks[layer]
    name = next(path for path, child in block.named_children() if "norm" in path or path == "ln_1")
    path = f"{model.structure.path(layer)}.{name}"
    love, hate = (model.run_with_cache(word, path)[1][path][0, -1] for word in ("Love", "Hate"))
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    vector = love - hate
    plain = model(DOGS)
    for sign in (1.0, -1.0):
        with bias_edit(model, path, vector, sign):
            edited = model(DOGS)
        hooked = model.run_with_hooks(DOGS, [(path, AddController(None, vector, sign))])
        torch.testing.assert_close(edited, hooked, atol=1e-3, rtol=1e-3)
        assert not torch.allclose(edited, plain, atol=1e-3)
    now = model.model.state_dict()
    assert now.keys() == before.keys() and all(torch.equal(now[name], before[name]) for name in before)


def test_the_gradient_of_a_steering_vector_lowers_a_loss(model: LanguageModel) -> None:
    layer = layer_of(model, 3)
    vector = torch.zeros(model.cfg.d_model, requires_grad=True)
    hooks = [(layer, lambda activation: activation + vector)]
    losses = []
    for _ in range(4):
        loss = model.run_with_hooks("I think dogs are wonderful", hooks, return_type="loss", keep_graph=True)
        (gradient,) = torch.autograd.grad(loss, vector)
        losses.append(float(loss.detach()))
        with torch.no_grad():
            vector -= 0.05 * gradient / gradient.norm()
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_batches_are_padded_on_the_left_and_padding_is_not_averaged(model: LanguageModel) -> None:
    layer, texts = layer_of(model, 5), ["I love the world", "I adore cats and all that they do"]
    running = RunningStatsDetector(layer)
    with HookContext(model.layers, running, layer):
        model(texts)
    tokens = torch.cat([model.run_with_cache(text, layer)[1][f"layer_{layer}"][0] for text in texts])
    torch.testing.assert_close(running.mean, tokens.mean(0), atol=1e-4, rtol=1e-3)


def test_a_mistake_in_a_hook_names_its_place(model: LanguageModel) -> None:
    with pytest.raises(HookError, match=r"blocks\.0\.hook_resid_post"):
        model.run_with_hooks("Hello", [(0, lambda activation, hook: activation @ torch.ones(3, 3))])
