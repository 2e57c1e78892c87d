"""Hooks from what a person wrote: kinds, parameters, conditions, JSON, and the list of points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.engine.catalogue import build_hook, point_infos
from steer_tui.engine.hookkinds import KINDS, WHEN, find_kind, format_value, parse_value
from steer_tui.engine.hookvalues import HookSpec
from steer_tui.errors import UsageError
from steer_tui.hooks import load_hooks
from tests.unit.hooktools import PROMPT, SHORT, is_clean, model_of
from tests.unit.test_arrows import HEAVY, SCREEN, loaded_by
from tests.unit.tiny import new_vectors

RESID, Z = "blocks.1.hook_resid_post", "blocks.1.attn.hook_z"
MUST = {"add": {"vector": "happy"}, "project-out": {"vector": "happy"}, "patch": {"prompt": "Hello"}}


def spec(kind: str, point: str = RESID, **values: Any) -> HookSpec:
    return HookSpec(point, kind, tuple(values.items()))


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_every_kind_is_made_with_its_defaults_and_acts(kind: str) -> None:
    lm = model_of("llama")
    point = Z if find_kind(kind).needs == "heads" else RESID
    vectors = new_vectors(lm, "happy")
    made = build_hook(lm, spec(kind, point, **MUST.get(kind, {})), vectors)
    plain = lm(PROMPT)
    found = lm.run_with_hooks(PROMPT, [(point, made)])
    assert torch.equal(found, plain) != find_kind(kind).changes
    assert made.layer_signature == point and is_clean(lm)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spec_survives_json_and_values_survive_text(kind: Any) -> None:
    values = tuple((parameter.name, parameter.default) for parameter in (*kind.parameters, *WHEN))
    one = HookSpec(RESID, kind.name, values, rows=(0,), enabled=False)
    assert HookSpec.from_json(json.loads(json.dumps(one.to_json()))) == one
    for parameter in (*kind.parameters, *WHEN):
        assert parse_value(parameter, format_value(parameter.default)) == parameter.default


def test_conditions_narrow_a_controller() -> None:
    lm = model_of("llama")
    ids = lm.encode(PROMPT, raw=True)
    wanted = lm.run_with_hooks(PROMPT, [(RESID, lambda a: torch.cat([a[:, :1], a[:, 1:3] * 3, a[:, 3:]], 1))])
    found = lm.run_with_hooks(PROMPT, [(RESID, build_hook(lm, spec("scale", factor=3.0, positions=(1, 2))))])
    assert torch.equal(found, wanted)
    at_token = build_hook(lm, spec("scale", factor=3.0, token_ids=(ids[0],)))
    assert not torch.equal(lm.run_with_hooks(PROMPT, [(RESID, at_token)]), lm(PROMPT))
    for values in ({"above": 1e6}, {"every": 2}, {"token_ids": (len(ids) + 300,)}):
        hook = build_hook(lm, spec("scale", factor=3.0, **values))
        assert torch.equal(lm.run_with_hooks(PROMPT, [(RESID, hook)]), lm(PROMPT))
    below = build_hook(lm, spec("heads", Z, heads=(1,), above=0.0, every=1))
    assert not torch.equal(lm.run_with_hooks(PROMPT, [(Z, below)]), lm(PROMPT))


def test_a_patch_is_taken_from_the_other_prompt_without_the_hooks_that_are_on() -> None:
    lm = model_of("llama")
    with lm.hooks([(0, lambda activation: activation * 0)]):
        hook = build_hook(lm, spec("patch", prompt=SHORT, at=(0, 1)))
        assert len(lm.layers.attached) == 1
    clean = lm.run_with_cache(SHORT, RESID)[1][RESID]
    found: list[torch.Tensor] = []
    lm.run_with_hooks(PROMPT, [(RESID, hook), (RESID, found.append)])
    assert torch.equal(found[0][:, :2], clean[:, :2]) and not torch.equal(found[0][:, 2], clean[:, 2])


def test_rows_and_switch_are_the_specs(tmp_path: Path) -> None:
    lm = model_of("llama")
    made = build_hook(lm, HookSpec("layer_1", "scale", (("factor", 0.0),), rows=(1,), enabled=False))
    assert made.rows == (1,) and not made.enabled and made.layer_signature == RESID
    (tmp_path / "own.py").write_text("def double(activation, hook):\n    return activation * 2\n")
    file = load_hooks(tmp_path / "own.py")
    own = build_hook(lm, spec("file", name="double"), file=file)
    assert torch.equal(lm.run_with_hooks(SHORT, [(1, own)]), lm.run_with_hooks(SHORT, [(1, lambda a: a * 2)]))
    for wrong in (None, file):
        with pytest.raises(UsageError, match="no own hook"):
            build_hook(lm, spec("file", name="triple"), file=wrong)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (spec("scail"), "no hook is called"),
        (spec("scale", faktor=2.0), "no parameter 'faktor'"),
        (spec("scale", "blocks.9.hook_resid_post"), "no hook point|no block"),
        (spec("heads"), "no heads"),
        (spec("add", vector="joy"), "no vector is called"),
        (spec("add", "hook_embed", vector="happy"), "no vector for"),
        (spec("patch"), "no prompt"),
        (spec("watch", positions=(1,)), "no parameter"),
        (spec("clamp", low=None, high=None), "needs a bound"),
    ],
)
def test_what_a_person_got_wrong_is_said(given: HookSpec, text: str) -> None:
    lm = model_of("llama")
    with pytest.raises(UsageError, match=text) as raised:
        build_hook(lm, given, new_vectors(lm, "happy"))
    assert raised.value.hint is not None


@pytest.mark.parametrize(
    ("kind", "name", "text", "value"),
    [
        ("scale", "factor", " -1.5 ", -1.5),
        ("neurons", "neurons", "0, 3,5-7,3", (0, 3, 5, 6, 7)),
        ("neurons", "action", "set", "set"),
        ("clamp", "low", "", None),
        ("top-texts", "top_k", "3", 3),
        ("patch", "prompt", " I am ", "I am"),
    ],
)
def test_values_are_read_from_text(kind: str, name: str, text: str, value: Any) -> None:
    parameter = next(parameter for parameter in find_kind(kind).parameters if parameter.name == name)
    assert parse_value(parameter, text) == value


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("scale", "factor", "much"),
        ("neurons", "neurons", "1,x"),
        ("neurons", "neurons", "7-3"),
        ("neurons", "neurons", "0-999999999"),
        ("neurons", "action", "drop"),
        ("top-texts", "top_k", "0"),
    ],
)
def test_text_that_is_no_value_is_refused_by_name(kind: str, name: str, text: str) -> None:
    parameter = next(parameter for parameter in find_kind(kind).parameters if parameter.name == name)
    with pytest.raises(UsageError, match=name):
        parse_value(parameter, text)


@pytest.mark.parametrize("name", ["hookvalues", "hookkinds"])
def test_what_screens_show_of_hooks_needs_no_torch(name: str) -> None:
    assert not loaded_by(f"steer_tui.engine.{name}") & (HEAVY | SCREEN)


def test_the_list_of_points_is_plain_and_becomes_json() -> None:
    lm = model_of("gptj")
    infos = point_infos(lm)
    assert [info.name for info in infos[:3]] == ["hook_tokens", "hook_embed", "hook_pos_embed"]
    found = {info.name: info for info in infos}
    assert found["blocks.1.attn.hook_z"].shape == ("batch", "pos", 4, 8) and found["blocks.1.attn.hook_z"].layer == 1
    assert not found["blocks.1.hook_resid_mid"].available and found["blocks.1.hook_resid_mid"].reason
    assert "rotary" in found["blocks.1.attn.hook_q"].note
    text = json.dumps([info.to_json() for info in infos])
    assert json.loads(text)[1] == {
        "name": "hook_embed",
        "module": "transformer.wte",
        "shape": ["batch", "pos", 32],
        "available": True,
        "reason": None,
        "note": "",
        "layer": None,
    }
    assert len(point_infos(lm, modules=False)) == len(lm.hook_points.named)
