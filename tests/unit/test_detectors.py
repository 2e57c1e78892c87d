"""Ready-made detectors: what they keep, that padding is left out, and that their memory is bounded."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from steer_tui.engine.hookmeter import Meter
from steer_tui.engine.inference import batch_of
from steer_tui.errors import UsageError
from steer_tui.hooks import (
    Detector,
    HookContext,
    HookError,
    LayerActivationDetector,
    LimitedAccumulator,
    LoggingDetector,
    MemoryEfficientDetector,
    ModelInputDetector,
    ModelOutputDetector,
    RunningStatsDetector,
    TokenTraceDetector,
    TopKTextsDetector,
)
from tests.unit.architectures import HEADS
from tests.unit.hooktools import LONG, PROMPT, SHORT, is_clean, model_of
from tests.unit.tiny import new_lm


def watch(lm: Any, detector: Detector, point: Any, *prompts: Any) -> None:
    with HookContext(lm.layers, detector, point):
        for prompt in prompts:
            lm(prompt)
    assert is_clean(lm)


def tokens_at(lm: Any, point: str, *prompts: Any) -> Tensor:
    """Return all tokens' activations at a point, each prompt alone, (n, ...)."""
    return torch.cat([lm.run_with_cache(prompt, point)[1][point].flatten(0, 1) for prompt in prompts])


def test_the_newest_batch_is_kept_as_a_copy() -> None:
    lm = model_of("llama")
    detector = LayerActivationDetector("layer_1")
    assert detector.get_captured() is None and detector.masked() is None
    watch(lm, detector, "layer_1", LONG, [SHORT, LONG])
    _, cache = lm.run_with_cache([SHORT, LONG], 1)
    assert torch.equal(detector.get_captured(), cache["layer_1"])
    mask = detector.masked()
    assert mask is not None and torch.equal(mask[..., 0].long(), cache.mask)
    detector.clear_captured()
    assert detector.get_captured() is None and not detector.tensor_metadata


def test_the_last_batches_are_kept_and_no_more() -> None:
    lm = model_of("llama")
    detector = LimitedAccumulator("layer_0", max_batches=3)
    watch(lm, detector, 0, *["abcdefgh"[:count] for count in range(1, 8)])
    assert [batch.shape[1] for batch in detector.batches] == [len(lm.encode("a" * n, raw=True)) for n in (5, 6, 7)]
    assert detector.get_captured()[-1] is detector.batches[-1]
    detector.clear_captured()
    assert detector.batches == []
    with pytest.raises(UsageError):
        LimitedAccumulator(0, max_batches=0)
    frugal = MemoryEfficientDetector("layer_0", max_batches=2)
    watch(lm, frugal, 0, PROMPT, PROMPT, PROMPT)
    assert frugal.batch_count == 0 and frugal.get_captured().device.type == "cpu"


@pytest.mark.parametrize("point", ["blocks.1.hook_resid_post", "blocks.1.attn.hook_z", "blocks.1.attn.hook_k"])
@pytest.mark.parametrize("name", ["llama", "bloom"])
def test_running_statistics_are_those_of_all_tokens_whatever_the_batches(name: str, point: str) -> None:
    lm = model_of(name)
    detector = RunningStatsDetector(point)
    assert detector.count == 0 and detector.get_captured() is None
    watch(lm, detector, point, [SHORT, LONG], PROMPT, [LONG, SHORT, PROMPT])
    tokens = tokens_at(lm, point, SHORT, LONG, PROMPT, LONG, SHORT, PROMPT).double()
    assert detector.count == tokens.shape[0]
    torch.testing.assert_close(detector.mean.double(), tokens.mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(detector.std.double(), tokens.std(0, correction=0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(detector.min.double(), tokens.amin(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(detector.max.double(), tokens.amax(0), atol=1e-5, rtol=1e-5)
    detector.clear_captured()
    with pytest.raises(UsageError, match="no token"):
        _ = detector.mean


def test_running_statistics_keep_their_precision_far_from_zero() -> None:
    detector = RunningStatsDetector()
    source = torch.Generator().manual_seed(0)
    batches = [10_000 + torch.randn(1, 50, 4, generator=source) for _ in range(40)]
    for batch in batches:
        detector.process_activations(torch.nn.Identity(), (), batch)
    whole = torch.cat(batches, 1)[0].double()
    torch.testing.assert_close(detector.std.double(), whole.std(0, correction=0), atol=1e-4, rtol=1e-4)


def test_under_a_cache_every_token_is_counted_once() -> None:
    lm = model_of("gpt2")
    for point in ("blocks.1.hook_resid_post", "blocks.1.attn.hook_v", "blocks.1.mlp.hook_pre"):
        detector = RunningStatsDetector()
        with HookContext(lm.layers, detector, point):
            text = lm.generate(PROMPT, 6)
        assert detector.count == len(lm.encode(PROMPT, raw=True)) + 5
        assert text.startswith(PROMPT)


def test_a_pattern_has_statistics_per_head() -> None:
    lm = model_of("llama")
    detector = RunningStatsDetector()
    watch(lm, detector, "blocks.0.attn.hook_pattern", SHORT)
    count = len(lm.encode(SHORT, raw=True))
    assert detector.mean.shape == (HEADS,) and detector.count == count * count
    torch.testing.assert_close(detector.mean, torch.full((HEADS,), 1 / count))


@pytest.mark.parametrize("point", ["blocks.1.hook_resid_post", "blocks.1.attn.hook_k"])
def test_a_trace_has_a_line_for_every_token_of_every_row_while_text_is_generated(point: str) -> None:
    lm = model_of("llama")
    detector = TokenTraceDetector()
    with HookContext(lm.layers, detector, point):
        lm.generate(PROMPT, 7)
    count = len(lm.encode(PROMPT, raw=True)) + 6
    ids = lm.encode(PROMPT, raw=True) + lm.encode("x", raw=True)
    trace = detector.trace(0)
    assert len(trace) == count and detector.trace(1) == () and detector.shape and ids
    first = lm.run_with_cache(PROMPT, point)[1][point][0, 0].flatten()
    assert trace[0].mean == pytest.approx(first.mean().item(), abs=1e-5)
    assert trace[0].std == pytest.approx(first.std(correction=0).item(), abs=1e-5)
    assert trace[0].norm == pytest.approx(first.norm().item(), abs=1e-4)
    assert (trace[0].min, trace[0].max) == pytest.approx((first.min().item(), first.max().item()), abs=1e-5)


def test_a_trace_leaves_padding_out_and_forgets_the_oldest() -> None:
    lm = model_of("llama")
    detector = TokenTraceDetector(limit=4)
    watch(lm, detector, 1, ["a", LONG])
    lengths = [len(detector.trace(row)) for row in (0, 1)]
    assert lengths == [len(lm.encode("a", raw=True)), 4]
    found = detector.get_captured()
    assert found is not None and set(found) == {0, 1}
    detector.clear_captured()
    assert detector.get_captured() is None


class LongTrace(TokenTraceDetector):
    """Goes the long way: code of its own comes in between."""

    def read(self, activation: Tensor) -> None:
        super().read(activation)


class LongStats(RunningStatsDetector):
    """Likewise."""

    def read(self, activation: Tensor) -> None:
        super().read(activation)


@pytest.mark.parametrize("point", ["blocks.1.hook_resid_post", "blocks.0.hook_mlp_out", "model.layers.1", "layer_1"])
@pytest.mark.parametrize("rows", [None, (0,), (1,), (0, 1), (2,)])
@pytest.mark.parametrize("prompts", [PROMPT, [PROMPT, PROMPT], ["a", LONG], [LONG, "a"]])
@pytest.mark.parametrize("together", [True, False])  # alone, the short way waits for the end of the pass
def test_the_short_way_sees_what_the_long_one_sees(
    together: bool, point: str, rows: tuple[int, ...] | None, prompts: Any
) -> None:
    lm = model_of("llama")
    hooks = [kind(rows=rows) for kind in (TokenTraceDetector, LongTrace, RunningStatsDetector, LongStats)]
    for hook in hooks:
        hook.meter = Meter()
    for turn in [hooks] if together else [hooks[::2], hooks[1::2]]:
        with lm.layers.hooked([(point, hook) for hook in turn]):
            lm(prompts)
            lm.generate(SHORT, 5)
    short, long, counted, counted_long = hooks
    assert short.get_captured() == long.get_captured() and short.shape == long.shape
    found, wanted = counted.get_captured(), counted_long.get_captured()
    assert (found is None) == (wanted is None)
    for name, value in (found or {}).items():
        assert wanted is not None and torch.equal(torch.as_tensor(value), torch.as_tensor(wanted[name]))
    counts = [hook.meter.read() for hook in hooks if hook.meter is not None]
    assert counts == [counts[0]] * 4 and (counts[0]["tokens"] > 0) == (found is not None)


def test_the_short_way_leaves_no_graph_and_keeps_copies() -> None:
    lm = model_of("llama")
    seen: list[Tensor] = []
    short = TokenTraceDetector()
    with lm.layers.hooked([("layer_1", short), ("layer_1", lambda activation: seen.append(activation))]):
        embedded = torch.randn(1, 3, 32, requires_grad=True)
        assert lm.model(inputs_embeds=embedded).logits.requires_grad
        (waiting,) = short._waiting
        assert not waiting.tokens.requires_grad and torch.equal(waiting.tokens, seen[0].detach())
        assert waiting.tokens.data_ptr() != seen[0].data_ptr()
    assert len(short.trace()) == 3


def test_the_texts_that_move_a_neuron_most_are_found() -> None:
    lm = model_of("llama")
    texts = [SHORT, LONG, PROMPT, "She walked to the station"]
    detector = TopKTextsDetector("layer_1", 3, tokenizer=lm.tokenizer)
    watch(lm, detector, "layer_1", texts[:2], texts[2:])
    best = {}
    for text in texts:
        activation = lm.run_with_cache(text, 1)[1]["layer_1"][0]
        best[text] = activation.max(0)
    for neuron in (0, 7, 31):
        order = sorted(texts, key=lambda text, n=neuron: -best[text].values[n])[:3]  # type: ignore[misc]
        found = detector.top_texts(neuron)
        assert [one.score for one in found] == pytest.approx(
            [best[text].values[neuron].item() for text in order], abs=1e-5
        )
        assert [one.token_idx for one in found] == [int(best[text].indices[neuron]) for text in order]
        for one, text in zip(found, order, strict=True):
            ids = lm.encode(text, raw=True)[: one.token_idx + 1]
            assert one.text == lm.to_string(ids) and one.token_str == lm.to_string(ids[-1:])
    assert set(detector.get_captured() or ()) == set(range(32))
    with pytest.raises(UsageError, match="neuron 99"):
        detector.top_texts(99)


def test_texts_of_generated_tokens_begin_with_the_prompt_and_memory_is_bounded() -> None:
    lm = model_of("llama")
    detector = TopKTextsDetector(1, 2, tokenizer=lm.tokenizer, neurons=[3, 4])
    with HookContext(lm.layers, detector, 1):
        for _ in range(6):
            lm.generate(PROMPT, 25)
    assert len(detector._texts) < 100 and set(detector.get_captured() or ()) == {3, 4}
    for one in detector.top_texts(3):
        assert len(lm.encode(PROMPT, raw=True)) > one.token_idx or PROMPT.split()[0] in one.text or one.token_idx > 0
        assert one.text.endswith(one.token_str)


def test_model_input_and_output_are_kept() -> None:
    lm = model_of("gpt2")
    inputs, outputs = ModelInputDetector(), ModelOutputDetector()
    with lm.layers.hooked([("hook_tokens", inputs), ("hook_logits", outputs)]):
        logits = lm([SHORT, LONG])
    ids, mask = batch_of(lm, [SHORT, LONG])
    assert torch.equal(inputs.get_captured(), ids) and torch.equal(inputs.tensor_metadata["attention_mask"], mask)
    assert torch.equal(outputs.get_captured(), logits)


def test_a_log_has_a_record_for_each_pass_and_costs_nothing_when_nobody_listens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lm = model_of("gpt2")
    detector = LoggingDetector(0)
    watch(lm, detector, 0, PROMPT)
    assert not caplog.records
    with caplog.at_level(logging.DEBUG, logger="steer_tui.hooks"):
        watch(lm, detector, 0, [SHORT, LONG])
    tokens = tokens_at(lm, "blocks.0.hook_resid_post", SHORT, LONG)
    assert f"mean={tokens.mean():.4g}"[:9] in caplog.text and "blocks.0.hook_resid_post" in caplog.text


def test_detectors_leave_logits_bit_for_bit() -> None:
    lm = model_of("llama")
    plain = lm([SHORT, LONG])
    points = [0, 1, "blocks.1.hook_resid_mid", "blocks.1.attn.hook_z"]
    kinds = [LayerActivationDetector, LimitedAccumulator, RunningStatsDetector, TokenTraceDetector, LoggingDetector]
    pairs: list[Any] = [(point, kind()) for point in points for kind in kinds]
    pairs += [(point, TopKTextsDetector(tokenizer=lm.tokenizer)) for point in points]
    with lm.layers.hooked(pairs):
        assert torch.equal(lm([SHORT, LONG]), plain)
    detector = RunningStatsDetector()
    with pytest.raises(HookError, match="shape"), lm.layers.hooked([(points, detector)]):
        lm(SHORT)
    assert is_clean(lm)


def test_ten_thousand_tokens_keep_memory_flat() -> None:
    lm = new_lm("llama")
    every: list[Detector] = [
        RunningStatsDetector(),
        TokenTraceDetector(limit=256),
        LimitedAccumulator(max_batches=5),
        TopKTextsDetector(top_k=2, tokenizer=lm.tokenizer),
        LayerActivationDetector(),
    ]
    ids = torch.randint(2, 300, (50, 4, 50), generator=torch.Generator().manual_seed(0))
    sizes: list[int] = []
    with lm.layers.hooked([(1, detector) for detector in every]):
        for index, batch in enumerate(ids):
            lm(batch)
            if index in (24, 49):
                gc.collect()
                sizes.append(sum(t.untyped_storage().nbytes() for t in gc.get_objects() if type(t) is Tensor))
    running = every[0]
    assert isinstance(running, RunningStatsDetector) and running.count == 10_000
    assert sizes[1] <= sizes[0] + 4096, sizes
    assert is_clean(lm)


def test_statistics_of_two_points_in_one_detector_are_refused_before_and_after_they_are_counted() -> None:
    lm = model_of("llama")
    for length in (5, 64):  # a long one is counted at once
        detector = RunningStatsDetector()
        with pytest.raises(HookError, match=r"features were of shape \(32,\) and are of shape \(48,\)"):
            lm.run_with_hooks(
                torch.arange(2, 2 + length).unsqueeze(0),
                [(["blocks.0.hook_resid_pre", "blocks.0.mlp.hook_post"], detector)],
            )
    assert is_clean(lm)


def test_running_statistics_of_scores_leave_out_what_no_query_sees() -> None:
    lm = model_of("llama")
    point = "blocks.0.attn.hook_attn_scores"
    detector = RunningStatsDetector()
    watch(lm, detector, point, SHORT)
    scores = lm.run_with_cache(SHORT, point)[1][point][0]
    count = scores.shape[-1]
    seen = scores[:, torch.ones(count, count).tril().bool()]  # (heads, pairs of query and key)
    assert detector.count == seen.shape[1] == count * (count + 1) // 2
    torch.testing.assert_close(detector.mean, seen.mean(dim=1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(detector.min, seen.amin(dim=1))
