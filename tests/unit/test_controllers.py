"""Ready-made controllers: what they do, that rows do not see each other or padding, that positions are absolute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from steer_tui.errors import ShapeMismatch, SteerError, UsageError
from steer_tui.hooks import (
    AddController,
    BatchConditionalController,
    ClampController,
    ConditionalController,
    ConditionalPipeline,
    CoordinatedController,
    FunctionController,
    HeadController,
    HookContext,
    HookError,
    LayerActivationDetector,
    NormaliseController,
    PatchController,
    PipelineController,
    ProjectOutController,
    ReadyController,
    RunningStatsDetector,
    ScalingController,
    SelectiveController,
    StatisticsController,
    TokenConditionalController,
)
from tests.unit.hooktools import LONG, PROMPT, SHORT, is_clean, model_of

VECTOR = torch.linspace(-1, 1, 32)
RESID = "blocks.1.hook_resid_post"
Z = "blocks.1.attn.hook_z"


def own_mean(x: Tensor) -> Tensor:
    return (x - x.mean()) / (x.std() + 1e-8)


MAKERS: dict[str, tuple[str, Callable[[], ReadyController]]] = {
    "scale": (RESID, lambda: ScalingController(None, 1.5)),
    "function of the whole row": (RESID, lambda: FunctionController(None, own_mean)),
    "neurons": (RESID, lambda: SelectiveController(None, [0, 5, 31], 3.0)),
    "heads zero": (Z, lambda: HeadController(None, [1])),
    "heads mean": (Z, lambda: HeadController(None, [0, 2], "mean")),
    "heads of the pattern": ("blocks.1.attn.hook_pattern", lambda: HeadController(None, [1], "scale", 0.5)),
    "a function of the pattern": (
        "blocks.1.attn.hook_pattern",
        lambda: FunctionController(None, lambda x: x / x.mean()),
    ),
    "key heads": ("blocks.1.attn.hook_k", lambda: HeadController(None, [1], "scale", 2.0)),
    "add": (RESID, lambda: AddController(None, VECTOR, 2.0)),
    "project out": (RESID, lambda: ProjectOutController(None, VECTOR)),
    "clamp": (RESID, lambda: ClampController(None, -0.5, 0.5)),
    "normalise": (RESID, lambda: NormaliseController(None)),
    "length": ("blocks.1.hook_resid_mid", lambda: NormaliseController(None, "length", 4.0)),
    "pipeline": (RESID, lambda: PipelineController(None, [lambda x: x * 1.2, lambda x: x.clamp(-2, 2), own_mean])),
    "condition": (RESID, lambda: ConditionalController(None, lambda x: x.std() > 0.1, own_mean)),
    "either": (RESID, lambda: ConditionalPipeline(None, lambda x: x.mean() > 0, lambda x: -x, lambda x: x * 2)),
    "positions": (RESID, lambda: TokenConditionalController(None, [0, 2], lambda x: x * -1)),
    "token ids": (RESID, lambda: TokenConditionalController(None, token_ids=[0, 65], modification_fn=own_mean)),
    "every": (RESID, lambda: BatchConditionalController(None, 1, own_mean)),
    "counted": (RESID, lambda: StatisticsController(None, ScalingController(None, 2.0))),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom"])
def test_a_row_of_a_padded_batch_is_changed_as_it_would_be_alone(name: str, kind: str) -> None:
    lm = model_of(name)
    point, make = MAKERS[kind]
    texts = [SHORT, LONG, PROMPT]
    plain = lm(texts)
    batch = lm.run_with_hooks(texts, [(point, make())])
    for row, text in enumerate(texts):
        alone = lm.run_with_hooks(text, [(point, make())])
        torch.testing.assert_close(batch[row, -alone.shape[1] :], alone[0], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(batch, plain, atol=1e-4) and is_clean(lm)


@pytest.mark.parametrize("kind", MAKERS)
def test_padding_and_the_given_tensor_stay_bit_for_bit_and_so_does_the_dtype(kind: str) -> None:
    lm = model_of("llama")
    point, make = MAKERS[kind]
    _, cache = lm.run_with_cache([SHORT, LONG], point)
    start = cache.starts[0]
    found: list[Tensor] = []
    lm.run_with_hooks([SHORT, LONG], [(point, make()), (point, lambda activation, hook: found.append(activation))])
    axis = lm.hook_points[point].axes.index("key" if "hook_k" in point else "pos")
    before, after = cache[point][0].narrow(axis - 1, 0, start), found[0][0].narrow(axis - 1, 0, start)
    assert torch.equal(before, after)
    given = cache[point][1:].to(torch.bfloat16)
    kept = given.clone()
    if kind != "token ids":  # which only a pass knows
        assert make()(given).dtype == torch.bfloat16 and torch.equal(given, kept)


@pytest.mark.parametrize(
    "kind", [kind for kind in MAKERS if "whole" not in kind and kind not in ("pipeline", "condition")]
)
def test_under_a_cache_text_is_that_of_full_passes(kind: str) -> None:
    lm = model_of("llama")
    point, make = MAKERS[kind]
    if kind in ("heads mean", "either", "every", "a function of the pattern", "token ids"):
        pytest.skip("it reads the whole row, which a cached step does not have")
    with lm.hooks([(point, make())]):
        ids = lm.encode(PROMPT, raw=True)
        begin = len(ids)
        for _ in range(4):
            ids.append(int(lm(ids)[0, -1].argmax()))
    from steer_tui.engine.generate import generate
    from steer_tui.engine.types import Request, Sampling

    request = Request(PROMPT, "", Sampling(0, max_tokens=4), baseline=False, raw=True)
    assert list(generate(lm, request, {}, measures=False, hooks=[(point, make())]).steered.ids) == ids[begin:]


def changed(lm: Any, controller: ReadyController, point: str = RESID, prompt: str = PROMPT) -> tuple[Tensor, Tensor]:
    """Return a point's activation before and after a controller."""
    found: list[Tensor] = []
    lm.run_with_hooks(
        prompt, [(point, lambda a: found.append(a)), (point, controller), (point, lambda a: found.append(a))]
    )
    return found[0], found[1]


def test_each_does_what_its_name_says() -> None:
    lm = model_of("llama")
    unit = VECTOR / VECTOR.norm()
    before, after = changed(lm, ScalingController(RESID, scale_factor=-2))
    assert torch.equal(after, before * -2)
    before, after = changed(lm, AddController(RESID, VECTOR, 0.5))
    torch.testing.assert_close(after, before + VECTOR / 2)
    before, after = changed(lm, ProjectOutController(RESID, VECTOR * 7))
    assert (after @ unit).abs().max() < 1e-5
    torch.testing.assert_close(after + (before @ unit)[..., None] * unit, before)
    before, after = changed(lm, ProjectOutController(RESID, VECTOR, 0.25))
    torch.testing.assert_close(after @ unit, (before @ unit) * 0.75)
    before, after = changed(lm, ClampController(RESID, high=0.1))
    assert torch.equal(after, before.clamp(max=0.1))
    before, after = changed(lm, NormaliseController(RESID))
    torch.testing.assert_close(after.mean(-1), torch.zeros(after.shape[:-1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(after.std(-1, correction=0), torch.ones(after.shape[:-1]), atol=1e-4, rtol=0)
    before, after = changed(lm, NormaliseController(RESID, "length", 3.0))
    torch.testing.assert_close(after.norm(dim=-1), torch.full(after.shape[:-1], 3.0))


def test_neurons_and_heads_that_are_not_named_stay_bit_for_bit() -> None:
    lm = model_of("llama")
    others = [index for index in range(32) if index not in (0, 5)]
    for options, wanted in (
        ({"scale": 2.0}, lambda x: x * 2),
        ({"action": "zero"}, lambda x: x * 0),
        ({"action": "set", "value": 1.5}, lambda x: torch.full_like(x, 1.5)),
    ):
        before, after = changed(lm, SelectiveController(RESID, [5, 0], **options))  # type: ignore[arg-type]
        assert torch.equal(after[..., others], before[..., others])
        assert torch.equal(after[..., [0, 5]], wanted(before[..., [0, 5]]))
    for action in ("zero", "scale", "mean"):
        before, after = changed(lm, HeadController(Z, [2], action, 3.0), Z)  # type: ignore[arg-type]
        assert torch.equal(after[:, :, [0, 1, 3]], before[:, :, [0, 1, 3]])
        wanted_head = {"zero": before * 0, "scale": before * 3, "mean": before.mean(1, keepdim=True).expand_as(before)}
        torch.testing.assert_close(after[:, :, 2], wanted_head[action][:, :, 2])
    seen = RunningStatsDetector()
    with HookContext(lm.layers, seen, Z):
        lm([SHORT, LONG])
    before, after = changed(lm, HeadController(Z, [1], "mean", mean=seen), Z)
    torch.testing.assert_close(after[:, :, 1], seen.mean[1].expand_as(after[:, :, 1]))


def test_a_head_of_z_may_be_steered_by_a_vector_of_its_own() -> None:
    lm = model_of("gpt2")
    heads = torch.zeros(4, 8)
    heads[1] = 1.0
    before, after = changed(lm, AddController(Z, heads), Z)
    assert torch.equal(after - before, heads.expand_as(after)) or torch.allclose(after, before + heads)
    _, flat = changed(lm, AddController(Z, heads.flatten()), Z)
    assert torch.equal(flat, after)


def test_conditions_hold_row_by_row() -> None:
    lm = model_of("llama")
    _, cache = lm.run_with_cache([SHORT, LONG, PROMPT], RESID)
    sizes = [float(lm.run_with_cache(text, RESID)[1][RESID].abs().mean()) for text in (SHORT, LONG, PROMPT)]
    threshold = sorted(sizes)[1] + 1e-6
    for modification in (lambda x: x * 0, ScalingController(None, 0.0)):
        found: list[Tensor] = []
        controller = ConditionalController(RESID, None, modification, threshold=threshold)
        lm.run_with_hooks([SHORT, LONG, PROMPT], [(RESID, controller), (RESID, found.append)])
        for row, size in enumerate(sizes):
            tokens = found[0][row, cache.starts[row] :]
            assert (tokens.abs().max() == 0) == (size > threshold)
            assert torch.equal(found[0][row, : cache.starts[row]], cache[RESID][row, : cache.starts[row]])


def test_positions_are_absolute_while_text_is_generated() -> None:
    lm = model_of("llama")
    begin = len(lm.encode(PROMPT, raw=True))
    touched: list[tuple[int, bool]] = []
    controller = TokenConditionalController(RESID, [begin + 1, 2], lambda x: x * 0)
    found = [(RESID, controller), (RESID, lambda a: touched.extend((a.shape[1], bool((t == 0).all())) for t in a[0]))]
    lm.generate(PROMPT, 4, hooks=found)
    assert [place for place, (_, zero) in enumerate(touched) if zero] == [2, begin + 1]


def test_every_nth_pass_is_changed() -> None:
    lm = model_of("llama")
    controller = BatchConditionalController(RESID, 3, lambda x: x * 0)
    plain = lm(PROMPT)
    with HookContext(lm.layers, controller, RESID):
        same = [torch.equal(lm(PROMPT), plain) for _ in range(7)]
    assert same == [True, True, False, True, True, False, True] and controller.batch_count == 7


def test_a_coordinated_controller_reads_an_earlier_point_of_the_same_pass() -> None:
    lm = model_of("llama")
    detector = LayerActivationDetector("layer_0")
    controller = CoordinatedController("layer_1", detector)
    texts = [SHORT, LONG]
    with lm.hooks([(0, detector), (1, controller)]):
        batch = lm(texts)
        alone = lm(SHORT)
    torch.testing.assert_close(batch[0, -alone.shape[1] :], alone[0], atol=1e-5, rtol=1e-4)
    reference = lm.run_with_cache(SHORT, 0)[1]["layer_0"]
    wanted = lm.run_with_hooks(SHORT, [(1, lambda a: a * (1 + 0.1 * reference.mean()))])
    torch.testing.assert_close(alone, wanted)
    for point in (2, None):
        detector.clear_captured()
        hooks = [(1, controller)] if point is None else [(1, controller), (point, detector)]
        with pytest.raises(HookError, match="has not seen this pass"):
            lm(PROMPT)
            with lm.hooks(hooks):
                lm(PROMPT)
                lm(PROMPT)
        assert is_clean(lm)


def test_statistics_say_how_often_and_how_much() -> None:
    lm = model_of("llama")
    count = sum(len(lm.encode(text, raw=True)) for text in (SHORT, LONG))
    watched = StatisticsController(RESID, TokenConditionalController(None, [0], lambda x: x * 3))
    with HookContext(lm.layers, watched, RESID):
        lm([SHORT, LONG])
        lm.generate(PROMPT, 3)
    stats = watched.get_stats()
    assert stats["passes"] == 4 and stats["modifications"] == 2
    assert stats["tokens"] == count + len(lm.encode(PROMPT, raw=True)) + 2 and stats["changed_tokens"] == 3
    assert (stats["avg_change"], stats["max_change"], stats["avg_scale"]) == pytest.approx((2.0, 2.0, 3.0), rel=1e-5)
    idle = StatisticsController(RESID)
    assert idle.get_stats()["passes"] == 0 and idle(VECTOR[None, None]).shape == (1, 1, 32)


def test_patching_takes_positions_heads_and_rows_from_the_cache() -> None:
    lm = model_of("llama")
    _, clean = lm.run_with_cache([LONG, SHORT], [RESID, Z, "blocks.1.attn.hook_pattern"])
    before, after = changed(lm, PatchController(RESID, clean, [0, 2], rows=[0]), prompt=SHORT)
    assert torch.equal(after[0, [0, 2]], clean[RESID][0, [0, 2]]) and torch.equal(after[0, 1], before[0, 1])
    _, one = lm.run_with_cache(SHORT, Z)
    before, after = changed(lm, PatchController(Z, one, heads=[3]), Z, LONG)
    count = one[Z].shape[1]
    assert torch.equal(after[:, :count, 3], one[Z][:, :, 3]) and torch.equal(after[:, :, :3], before[:, :, :3])
    assert torch.equal(after[:, count:], before[:, count:])
    found: list[Tensor] = []
    lm.run_with_hooks([SHORT, LONG], [(RESID, PatchController(RESID, clean)), (RESID, lambda a: found.append(a))])
    short, long = len(lm.encode(SHORT, raw=True)), len(lm.encode(LONG, raw=True))
    assert torch.equal(found[0][0, -short:], clean[RESID][0, :short])
    assert torch.equal(found[0][1, :short], clean[RESID][1, -short:]) and long > short
    patched = lm.run_with_hooks(LONG, [(RESID, PatchController(RESID, lm.run_with_cache(LONG, RESID)[1]))])
    assert torch.equal(patched, lm(LONG))
    pattern = "blocks.1.attn.hook_pattern"
    _, same = lm.run_with_cache(LONG, pattern)
    torch.testing.assert_close(lm.run_with_hooks(LONG, [(pattern, PatchController(pattern, same))]), lm(LONG))


def test_conditions_and_pipelines_take_ready_made_controllers_with_their_heads() -> None:
    lm = model_of("llama")
    heads = HeadController(None, [1])
    for point in (Z, "blocks.1.attn.hook_pattern"):
        wanted = lm.run_with_hooks(PROMPT, [(point, HeadController(None, [1]))])
        for wrapped in (
            PipelineController(None, [heads]),
            ConditionalController(None, lambda x: True, heads),
            BatchConditionalController(None, 1, heads),
            StatisticsController(None, heads),
            TokenConditionalController(None, range(100), heads),
        ):
            assert torch.equal(lm.run_with_hooks(PROMPT, [(point, wrapped)]), wanted)


WRONG: dict[str, tuple[Callable[[], Any], type[SteerError]]] = {
    "no function": (lambda: FunctionController(RESID), UsageError),
    "no finite factor": (lambda: ScalingController(RESID, float("nan")), UsageError),
    "no number": (lambda: ScalingController(RESID, "2"), UsageError),  # type: ignore[arg-type]
    "no vector": (lambda: AddController(RESID), UsageError),
    "a vector with NaN": (lambda: AddController(RESID, VECTOR * float("inf")), UsageError),
    "no direction": (lambda: ProjectOutController(RESID, VECTOR * 0), UsageError),
    "crossed bounds": (lambda: ClampController(RESID, 2, 1), UsageError),
    "no bound": (lambda: ClampController(RESID), UsageError),
    "a bound that is NaN": (lambda: ClampController(RESID, float("nan"), 2), UsageError),
    "an eps that is NaN": (lambda: NormaliseController(RESID, eps=float("nan")), UsageError),
    "no neuron": (lambda: SelectiveController(RESID), UsageError),
    "a negative head": (lambda: HeadController(Z, [-1]), UsageError),
    "an unknown action": (lambda: HeadController(Z, [1], "drop"), UsageError),  # type: ignore[arg-type]
    "an unknown norm": (lambda: NormaliseController(RESID, "soft"), UsageError),  # type: ignore[arg-type]
    "no step": (lambda: PipelineController(RESID), UsageError),
    "condition and threshold": (lambda: ConditionalController(RESID, lambda x: True, threshold=1), UsageError),
    "no token": (lambda: TokenConditionalController(RESID), UsageError),
    "a negative position": (lambda: TokenConditionalController(RESID, [-1]), UsageError),
    "every zeroth": (lambda: BatchConditionalController(RESID, 0), UsageError),
    "no detector": (lambda: CoordinatedController(RESID, None), UsageError),
    "no cache": (lambda: PatchController(RESID), UsageError),
}


def test_a_condition_may_be_a_number_or_left_out() -> None:
    lm = model_of("llama")
    size = lm.run_with_cache(PROMPT, 1)[1][1].abs().mean().item()
    plain, larger = lm(PROMPT), lm.run_with_hooks(PROMPT, [(1, ScalingController(None, 1.5))])
    for make, wanted in (
        (lambda: ConditionalController("layer_1", size * 0.9), larger),
        (lambda: ConditionalController("layer_1", size * 1.1), plain),
        (lambda: ConditionalController("layer_1"), larger if size > 1 else plain),
    ):
        assert torch.equal(lm.run_with_hooks(PROMPT, [(1, make())]), wanted)


@pytest.mark.parametrize("what", WRONG)
def test_wrong_parameters_are_refused_before_anything_runs(what: str) -> None:
    make, kind = WRONG[what]
    with pytest.raises(kind):
        make()


@pytest.mark.parametrize(
    ("controller", "point", "text"),
    [
        (lambda: AddController(None, torch.ones(31)), RESID, "shape"),
        (lambda: SelectiveController(None, [32]), RESID, "neuron 32 is out of range"),
        (lambda: HeadController(None, [4]), Z, "head 4 is out of range"),
        (lambda: HeadController(None, [0]), RESID, "no heads"),
        (lambda: HeadController(None, [0], "mean", mean=torch.ones(3)), Z, "mean has shape"),
        (lambda: PatchController(None, torch.ones(1, 2, 31)), RESID, "cache has shape"),
        (lambda: PatchController(None, {}), RESID, "does not hold"),
        (lambda: PatchController(None, torch.ones(1, 4, 2, 2)), "blocks.1.attn.hook_pattern", "cache has shape"),
    ],
)
def test_what_does_not_fit_the_point_is_one_clear_error(controller: Any, point: str, text: str) -> None:
    lm = model_of("llama")
    with pytest.raises(HookError, match=text) as raised:
        lm.run_with_hooks(PROMPT, [(point, controller())])
    assert raised.value.point == point and is_clean(lm)
    assert not isinstance(raised.value, ShapeMismatch)
