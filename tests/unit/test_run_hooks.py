"""Hooks as plain values of a run: built for the steered row, changed while it streams, kept, replayed, reported."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.engine.decode import Decoder
from steer_tui.engine.generate import Controls, generate
from steer_tui.engine.hookerror import HookError
from steer_tui.engine.hookvalues import HookSpec, vector_names
from steer_tui.engine.types import Change, Request, RunResult, Sampling, Step
from steer_tui.errors import SteerError, UsageError
from steer_tui.session.journal import Journal
from steer_tui.session.records import changes_to_lines, request_from_json, request_to_json, with_changes
from tests.unit.architectures import ARCHITECTURES
from tests.unit.hooktools import is_clean, model_of
from tests.unit.runs import TOKENS, request, said
from tests.unit.tiny import new_vectors

RESID, Z, MLP = "blocks.1.hook_resid_post", "blocks.1.attn.hook_z", "blocks.0.hook_mlp_out"
OWN = """\
def double(activation, hook):
    return activation * 2


def broken(activation, hook):
    return activation[..., :1]
"""

ZERO = "def double(activation, hook):\n    return activation * 0\n"


def spec(kind: str, point: str = RESID, **values: Any) -> HookSpec:
    return HookSpec(point, kind, tuple(values.items()))


SCALE = spec("scale", factor=2.5)


def run(hooks: tuple[HookSpec, ...], recipe: str = "", **options: Any) -> RunResult:
    lm = model_of("llama")
    on_step, controls = options.pop("on_step", None), options.pop("controls", None)
    asked = request(recipe, hooks=hooks, **options)
    return generate(lm, asked, new_vectors(lm, "happy", "sad"), on_step=on_step, controls=controls, measures=False)


def test_hooks_act_on_the_steered_row_alone_and_like_pairs_of_point_and_hook() -> None:
    lm = model_of("llama")
    plain, hooked = run(()), run((SCALE,))
    same = generate(lm, request(""), {}, hooks=[(RESID, lambda activation: activation * 2.5)], measures=False)
    assert said(hooked.steered) == said(same.steered) != said(plain.steered)
    assert said(hooked.baseline) == said(plain.baseline) == said(plain.steered)
    assert is_clean(lm)


def test_rows_of_a_spec_win_and_what_is_off_is_not_there() -> None:
    plain = run(())
    other = run((replace(SCALE, rows=(1,)),))
    assert said(other.steered) == said(plain.steered) and said(other.baseline) != said(plain.baseline)
    off = run((replace(SCALE, enabled=False),))
    assert said(off.steered) == said(plain.steered) and off.hooks == () and off.logit_difference is None


def test_the_recipe_comes_first_and_hooks_see_what_it_leaves() -> None:
    seen: list[float] = []

    def on_step(step: Step) -> None:
        assert step.steered is not None and step.steered.stats is not None and len(step.watched) == 1
        seen.append(abs(step.watched[0].newest.norm - step.steered.stats.norm[1]))
        assert step.watched[0].newest.norm == pytest.approx(step.steered.stats.norm[1], rel=1e-5)

    run((spec("watch"),), "happy:2@1", on_step=on_step)
    assert len(seen) == TOKENS


def test_watched_points_give_every_token_once_as_a_hook_of_its_own_sees_it() -> None:
    lm = model_of("llama")
    steps: list[Step] = []
    points = (RESID, Z, MLP, "blocks.0.attn.hook_pattern", "model.layers.0.mlp", "hook_logits")
    hooks = (*(spec("watch", point) for point in points), replace(spec("watch"), rows=(0, 1)))
    result = run(hooks, "happy:2@1", on_step=steps.append)
    length = len(result.prompt_ids)
    first = {(one.point, one.row): one for one in steps[0].watched}
    assert set(first) == {(point, 0) for point in points} | {(RESID, 1)}
    assert len(first[RESID, 0].tokens) == length and len(first["blocks.0.attn.hook_pattern", 0].tokens) == length
    assert all(len(one.tokens) == 1 for step in steps[1:] for one in step.watched)
    ids = torch.tensor([[*result.prompt_ids, *result.steered.ids[:-1]]])
    _, cache = lm.run_with_cache(ids, [MLP])
    numbers = [one.tokens for step in steps for one in step.watched if one.point == MLP]
    flat = torch.tensor([token for part in numbers for token in part])
    want = cache[MLP][0]  # block 0 comes before the steered block
    expected = torch.stack([want.mean(-1), want.std(-1, correction=0), want.norm(dim=-1), *want.aminmax(dim=-1)], -1)
    torch.testing.assert_close(flat, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
@pytest.mark.parametrize("stop", [None, 5])
def test_steps_that_bring_nothing_leave_it_to_the_next_and_the_last_brings_the_rest(
    seconds: float, stop: int | None
) -> None:
    points = (Z, MLP, "blocks.0.attn.hook_pattern", "model.layers.0.mlp")
    hooks = (*(spec("watch", point) for point in points), replace(spec("watch"), rows=(0, 1)))

    def seen(watch_seconds: float) -> tuple[dict[tuple[str, int], list[Any]], list[bool]]:
        controls = Controls(watch_seconds=watch_seconds)
        found: dict[tuple[str, int], list[Any]] = {}
        brings: list[bool] = []

        def on_step(step: Step) -> None:
            brings.append(bool(step.watched))
            for one in step.watched:
                found.setdefault((one.point, one.row), []).extend(one.tokens)

        def before(step: int) -> None:
            if step == stop:
                controls.stop()

        run(hooks, "happy:2@1", on_step=on_step, controls=_Stopping(controls, before))
        return found, brings

    wanted, all_bring = seen(0.0)
    found, brings = seen(seconds)
    assert all(all_bring) and len(brings) == len(all_bring) and brings[0] and brings[-1]
    assert any(brings[1:-1]) is (seconds < 1)
    assert found.keys() == wanted.keys()
    for name, tokens in found.items():
        torch.testing.assert_close(torch.tensor(tokens), torch.tensor(wanted[name]))


class _Stopping(Controls):
    """Calls a function whenever a step asks for changes."""

    def __init__(self, controls: Controls, before: Callable[[int], None]) -> None:
        super().__init__(watch_seconds=controls.watch_seconds)
        self._whole, self._before, self._steps = controls, before, 0

    def take_change(self) -> str | None:
        self._before(self._steps)
        self._steps += 1
        return super().take_change()

    @property
    def stopped(self) -> bool:
        return self._whole.stopped


def test_watching_takes_one_transfer_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    lists: list[int] = []
    real = torch.Tensor.tolist

    def counted(self: torch.Tensor) -> Any:
        lists.append(self.numel())
        return real(self)

    def count(hooks: tuple[HookSpec, ...]) -> int:
        lists.clear()
        with monkeypatch.context() as patched:
            patched.setattr(torch.Tensor, "tolist", counted)
            run(hooks, statistics=False)
        return len(lists)

    names = [f"blocks.{layer}.hook_{part}" for layer in range(3) for part in ("resid_post", "attn_out", "mlp_out")]
    assert count(tuple(spec("watch", name) for name in names)) == count(()) + TOKENS


def test_statistics_tell_how_often_and_how_much() -> None:
    hooks = (SCALE, spec("watch"), spec("scale", MLP, factor=0.0, every=3), spec("last", Z), spec("running"))
    result = run((*hooks, spec("top-texts", MLP), spec("log")))
    length = len(result.prompt_ids)
    scale, watch, third, last, running, texts, log = result.hooks
    assert (
        scale.passes == scale.changed_passes == TOKENS and scale.tokens == scale.changed_tokens == length + TOKENS - 1
    )
    assert scale.mean_change == pytest.approx(1.5, rel=1e-5) and scale.max_change == pytest.approx(1.5, rel=1e-5)
    assert third.passes == TOKENS and third.changed_passes == third.changed_tokens == TOKENS // 3
    assert watch.changed_passes == log.changed_passes == 0 and watch.passes == TOKENS and third.since == 0
    seen = dict(watch.seen)
    assert seen["tokens"] == dict(running.seen)["tokens"] == length + TOKENS - 1
    assert seen["mean"] == pytest.approx(dict(running.seen)["mean"], abs=1e-5)
    assert dict(last.seen)["shape"] == (1, 1, 4, 8) and len(texts.seen) == 5 and log.seen == ()
    printed = json.loads(json.dumps(result.to_json()))
    assert [one["kind"] for one in printed["hooks"]] == [
        "scale",
        "watch",
        "scale",
        "last",
        "running",
        "top-texts",
        "log",
    ]
    assert printed["hooks"][0]["passes"] == TOKENS and printed["hook_file"] is None


@pytest.mark.parametrize("point", [Z, "blocks.1.attn.hook_pattern", "blocks.1.attn.hook_q", "hook_tokens"])
def test_tokens_are_counted_once_however_many_heads_they_have(point: str) -> None:
    kind = "scale" if point == "hook_tokens" else "heads"
    values = {"factor": 1.0} if kind == "scale" else {}
    (report,) = run((spec(kind, point, **values),)).hooks
    length = len(model_of("llama").encode("The meeting went"))
    assert report.passes == TOKENS and report.tokens == length + TOKENS - 1
    assert report.changed_tokens <= report.tokens and (report.changed_tokens == report.tokens or kind == "scale")
    assert kind == "scale" or 0 < report.mean_change < 1, "one head of four"
    if kind == "scale":
        with pytest.raises(HookError, match=r"token id .* the model knows ids 0 to"):
            run((spec(kind, point, factor=1000.0),))


def test_the_logit_difference_is_that_of_the_first_position() -> None:
    lm = model_of("llama")
    result = run((SCALE,))
    ids = torch.tensor([list(result.prompt_ids)])
    plain = lm(ids)[0, -1]
    with lm.hooks([(RESID, lambda activation: activation * 2.5)]):
        delta = lm(ids)[0, -1] - plain
    found = result.logit_difference
    assert found is not None and found.max == pytest.approx(float(delta.abs().max()), rel=1e-4)
    assert found.mean == pytest.approx(float(delta.abs().mean()), rel=1e-4)
    assert [shift.id for shift in found.risen] == delta.topk(5).indices.tolist()
    assert [shift.id for shift in found.fallen] == (-delta).topk(5).indices.tolist()
    assert found.risen[0].baseline == pytest.approx(float(plain[found.risen[0].id]), rel=1e-4)
    assert run((), "happy:2").logit_difference is not None and run((spec("watch"),)).logit_difference is None
    assert run(()).logit_difference is None and run((SCALE,), baseline=False).logit_difference is None


def changing(controls: Controls, at: Mapping[int, tuple[HookSpec, ...]]) -> Callable[[Step], None]:
    def on_step(step: Step) -> None:
        if step.index + 1 in at:
            controls.change_hooks(at[step.index + 1])

    return on_step


def test_hooks_changed_live_act_on_the_next_step_and_replay() -> None:
    controls = Controls()
    other = spec("heads", Z, heads=(0, 2))
    patch = spec("patch", RESID, prompt="I am so happy", at=(0, 1))
    plan: dict[int, tuple[HookSpec, ...]] = {3: (SCALE, other), 6: (other,), 8: (other, patch), 9: (other, patch)}
    result = run((), "happy:1", controls=controls, on_step=changing(controls, plan))
    assert [(change.step, change.hooks) for change in result.request.changes] == [
        (3, plan[3]),
        (6, plan[6]),
        (8, plan[8]),
    ]
    assert [(report.spec, report.since) for report in result.hooks] == [(SCALE, 3), (other, 3), (patch, 8)]
    assert [report.passes for report in result.hooks] == [3, TOKENS - 3, TOKENS - 8]
    plain = run((), "happy:1")
    assert result.steered.ids[:3] == plain.steered.ids[:3] and result.steered.ids != plain.steered.ids
    lm = model_of("llama")
    again = generate(lm, result.request, new_vectors(lm, "happy", "sad"), measures=False)
    assert said(again.steered) == said(result.steered) and again.request == result.request and is_clean(lm)


def test_a_hook_that_stays_keeps_its_state_while_others_change() -> None:
    controls = Controls()
    third = spec("scale", MLP, factor=0.0, every=3)
    plan: dict[int, tuple[HookSpec, ...]] = {2: (SCALE, third), 5: (third,)}
    result = run((third,), controls=controls, on_step=changing(controls, plan))
    assert result.hooks[0].passes == TOKENS and result.hooks[0].changed_passes == TOKENS // 3


def test_a_change_that_cannot_be_made_is_refused_and_the_hooks_stay() -> None:
    refused: list[SteerError] = []
    controls = Controls(refused.append)
    bad = spec("scale", "blocks.1.hook_resid_pots")
    result = run((SCALE,), controls=controls, on_step=changing(controls, {4: (bad,), 6: (spec("heads", RESID),)}))
    assert len(refused) == 2 and "hook blocks.1.hook_resid_pots=scale: " in refused[0].message
    assert "blocks.1.hook_resid_post" in str(refused[0].hint)
    assert said(result.steered) == said(run((SCALE,)).steered) and result.request.changes == ()


def test_errors_name_the_hook_and_nothing_has_run(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(OWN)
    for wrong, message in (
        (spec("scale", "blocks.9.hook_resid_post"), "hook blocks.9.hook_resid_post=scale: no hook point is called"),
        (spec("scale", factor=float("nan")), f"hook {RESID}=scale: factor: nan is not a number"),
        (spec("sclae"), f"hook {RESID}=sclae: no hook is called 'sclae'"),
        (spec("add", vector="angry"), f"hook {RESID}=add: no vector is called 'angry'"),
        (spec("file", name="double"), f"hook {RESID}=double: no file is named"),
    ):
        with pytest.raises(UsageError) as caught:
            run((wrong,))
        assert caught.value.message.startswith(message)
    with pytest.raises(UsageError, match=f"hook {RESID}=triple: no own hook is called 'triple'"):
        run((spec("file", name="triple"),), hook_file=str(own))
    with pytest.raises(HookError, match=rf"hook broken at {RESID} failed: it returned shape .* \(line 5 of .*own.py\)"):
        run((spec("file", name="broken"),), hook_file=str(own))
    with pytest.raises(HookError, match=rf"hook heads at {Z} failed: head 9 is out of range"):
        run((spec("heads", Z, heads=(9,)),))
    assert is_clean(model_of("llama"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("scale", {"factor": "2"}),
        ("scale", {"factor": True}),
        ("scale", {"factor": None}),
        ("scale", {"every": 1.5}),
        ("scale", {"every": 0}),
        ("scale", {"above": float("inf")}),
        ("scale", {"positions": 3}),
        ("scale", {"positions": ("a",)}),
        ("scale", {"positions": (-1,)}),
        ("neurons", {"neurons": None}),
        ("neurons", {"action": "explode"}),
        ("clamp", {"low": [1]}),
        ("patch", {"prompt": 3}),
        ("add", {"vector": ["happy"]}),
        ("top-texts", {"top_k": 10**30}),
        ("top-texts", {"top_k": "\x1b[31m" * 50}),
    ],
)
def test_values_of_a_wrong_kind_are_one_error_with_the_parameter(kind: str, values: dict[str, Any]) -> None:
    point = MLP if kind != "heads" else Z
    with pytest.raises(UsageError) as caught:
        run((spec(kind, point, **values),))
    (name,) = values
    assert caught.value.message.startswith(f"hook {point}={kind}: {name}: ") and "\x1b" not in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_point_can_be_watched_while_text_streams_and_changes_nothing(name: str) -> None:
    lm = model_of(name)
    points = [point.name for point in lm.hook_points.values() if point.available]
    experts = [point for point in points if "experts.act_fn" in point]  # rows are mixed there
    asked = request("", sampling=Sampling(seed=1, max_tokens=3), statistics=False)
    steps: list[Step] = []
    hooks = tuple(spec("watch", point) for point in points if point not in experts)
    watched = generate(lm, replace(asked, hooks=hooks), {}, on_step=steps.append, measures=False)
    assert said(watched.steered) == said(generate(lm, asked, {}, measures=False).steered)
    for step in steps:
        assert [one.point for one in step.watched] == [hook.point for hook in hooks]
        assert all(math.isfinite(number) for one in step.watched for token in one.tokens for number in token)
    for point in experts:
        with pytest.raises(HookError, match="rows of a batch cannot be told apart"):
            generate(lm, replace(asked, hooks=(spec("watch", point),)), {}, measures=False)
    assert is_clean(lm)


def test_watched_scores_leave_out_what_a_query_cannot_see() -> None:
    lm = model_of("llama")
    name = "blocks.1.attn.hook_attn_scores"
    first: list[Step] = []
    result = run((spec("watch", name),), on_step=first.append)
    _, cache = lm.run_with_cache(list(result.prompt_ids), name)
    scores = cache[name][0]
    for query, token in enumerate(first[0].watched[0].tokens):
        seen = scores[:, query, : query + 1]
        wanted = [seen.mean(), seen.std(correction=0), seen.norm(), seen.min(), seen.max()]
        assert list(token) == pytest.approx([float(number) for number in wanted], rel=1e-4, abs=1e-5)


def test_own_hooks_are_read_anew_where_their_file_was_saved(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(OWN)
    refused: list[SteerError] = []
    controls = Controls(refused.append)
    hook = spec("file", name="double")

    def on_step(step: Step) -> None:
        if step.index == 3:
            own.write_text(ZERO)
            controls.change_hooks((hook,))
        if step.index == 6:
            own.write_text("def double(activation, hook)\n    return activation * 0\n")
            controls.change_hooks((hook,))

    result = run((hook,), hook_file=str(own), controls=controls, on_step=on_step)
    doubled = run((spec("scale", factor=2.0),))
    assert result.steered.ids[:4] == doubled.steered.ids[:4]
    assert [(report.since, report.passes) for report in result.hooks] == [(0, 4), (4, TOKENS - 4)]
    assert result.hooks[1].mean_change == pytest.approx(1.0)
    digest = hashlib.sha256(ZERO.encode()).hexdigest()
    assert result.request.changes == (Change(4, "", (hook,), str(own), digest),)
    assert len(refused) == 1 and "own.py, line 1: SyntaxError" in refused[0].message


def test_a_run_with_hooks_replays_from_the_journal(tmp_path: Path) -> None:
    lm, vectors = model_of("llama"), new_vectors(model_of("llama"), "happy", "sad")
    own = tmp_path / "own.py"
    own.write_text(OWN)
    first = (spec("add", vector="sad", strength=3.0, positions=(1, 2)), spec("file", name="double", point=MLP))
    asked = request("happy:1", hooks=first, hook_file=str(own))
    controls = Controls()
    steps: list[Step] = []
    change = changing(controls, {5: (SCALE, *first)})

    def on_step(step: Step) -> None:
        steps.append(step)
        change(step)
        if step.index == 7:
            controls.change("happy:3")

    result = generate(lm, asked, vectors, on_step=on_step, controls=controls, measures=False)
    with Journal(tmp_path / "journal.sqlite3") as journal:
        ended, killed = journal.begin(lm.info, asked), journal.begin(lm.info, asked)
        journal.append(killed, steps)
        journal.finish(ended, result)
        records = [journal.get(ended), journal.get(killed)]
    for record in records:
        assert record is not None and record.request == result.request
        again = generate(lm, record.request, vectors, measures=False)
        assert said(again.steered) == said(result.steered) and said(again.baseline) == said(result.baseline)
    assert [(one.step, one.recipe, one.hooks is None) for one in result.request.changes] == [
        (5, "happy", False),
        (8, "happy:3", True),
    ]


def test_requests_of_older_journals_are_read() -> None:
    old = request_to_json(Request("a", "happy:1", changes=(Change(2, "sad:1"),)))
    for key in ("hooks", "hook_file"):
        del old[key]
    assert request_from_json(old) == Request("a", "happy:1", changes=(Change(2, "sad:1"),))
    lines = '[1, "happy:3"]\n' + changes_to_lines([Change(4, "sad:1", (SCALE,), "own.py")])
    assert with_changes(Request("a", ""), lines).changes == (
        Change(1, "happy:3"),
        Change(4, "sad:1", (SCALE,), "own.py"),
    )
    whole = Request("a", "", hooks=(SCALE, replace(SCALE, rows=(1,), enabled=False)), hook_file="own.py")
    assert request_from_json(json.loads(json.dumps(request_to_json(whole)))) == whole


def test_a_decoder_that_fails_to_put_hooks_on_keeps_those_before() -> None:
    lm = model_of("llama")
    from steer_tui.engine.decode import Row

    with Decoder(lm, [Row(lm.encode("I am", raw=True))]) as decoder:
        decoder.hook([(RESID, lambda activation: activation)])
        with pytest.raises(UsageError):
            decoder.hook([(Z, lambda activation: activation), ("nowhere", lambda activation: activation)])
        assert [one.point.name for one in lm.layers.attached] == [RESID]
    assert is_clean(lm)


def test_vectors_that_hooks_need_are_named() -> None:
    hooks = (spec("add", vector="happy"), SCALE, spec("project-out", vector="sad"), spec("add", vector="happy"))
    off = replace(spec("add", vector="calm"), enabled=False)
    assert vector_names((*hooks, off, spec("file", name="own", vector="no"))) == ("happy", "sad")


def torch_hooks() -> int:
    modules = list(model_of("llama").model.modules())
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)


def test_what_a_run_does_not_use_is_not_there() -> None:
    counts: list[int] = []
    run((), statistics=False, on_step=lambda step: counts.append(torch_hooks()))
    assert set(counts) == {0}
    counts.clear()
    run((replace(SCALE, enabled=False),), statistics=False, on_step=lambda step: counts.append(torch_hooks()))
    assert set(counts) == {0}
    counts.clear()
    run((SCALE, spec("watch")), statistics=False, on_step=lambda step: counts.append(torch_hooks()))
    assert set(counts) == {3}, "one on the module, two that follow the passes"


def test_hooks_changed_at_every_step_leave_none() -> None:
    controls = Controls()
    sets = [(SCALE,), (), (SCALE, spec("watch")), (spec("heads", "blocks.0.attn.hook_pattern", heads=(0,)),)]
    most: list[int] = []

    def on_step(step: Step) -> None:
        most.append(len(model_of("llama").layers.attached))
        controls.change_hooks(sets[step.index % 4])

    result = run((), sampling=Sampling(seed=1, max_tokens=50), controls=controls, on_step=on_step)
    assert len(result.request.changes) == 49 and max(most) == 2 and torch_hooks() == 0
    assert is_clean(model_of("llama"))
