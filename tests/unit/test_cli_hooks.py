"""Hooks on the command line: lines, a file, errors in one line each, JSON; and the filters of `points`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from steer_tui.cli import main
from steer_tui.commands.run_hooks import with_hooks
from steer_tui.engine.catalogue import build_hook
from steer_tui.engine.hookkinds import KINDS, WHEN
from steer_tui.engine.hookline import format_hook, parse_hook
from steer_tui.engine.hookvalues import FILE, HookSpec
from steer_tui.engine.types import Request
from steer_tui.errors import UsageError
from steer_tui.hooks import PatchController, TokenConditionalController, load_hooks
from tests.unit.hooktools import model_of
from tests.unit.tiny_model import write_tiny_model

FILE_TEXT = """\
import torch
from steer_tui.hooks import LayerActivationDetector

print("loaded")


def double(activation, hook):
    print("called")
    return activation * 2


def spare(activation, hook):
    return activation * 0


HOOKS = [
    ("blocks.1.hook_resid_post", double),
    (lambda name: name.endswith("hook_mlp_out"), LayerActivationDetector()),
]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama"))


def generate(capsys: pytest.CaptureFixture[str], model: str, *arguments: str) -> dict[str, Any]:
    sampling = ("--max-tokens", "6", "--temperature", "0.8", "--seed", "3")
    assert main(["generate", "The meeting", "--model", model, "--json", *sampling, *arguments]) == 0
    return dict(json.loads(capsys.readouterr().out))


def refusal(capsys: pytest.CaptureFixture[str], model: str, *arguments: str, status: int = 2) -> list[str]:
    assert main(["generate", "The meeting", "--model", model, "--max-tokens", "3", *arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0].startswith("error: ") and len(lines) <= 2 and "\x1b" not in captured.err
    assert all(line.startswith("hint: ") for line in lines[1:])
    return lines


def test_hooks_need_no_recipe_and_tell_what_they_did(capsys: pytest.CaptureFixture[str], model: str) -> None:
    plain = generate(capsys, model, "--steer", "")
    lines = ("layer_1=scale,factor=2.5,positions=0,2-4", "blocks.0.attn.hook_z=heads,heads=0", "hook_logits=watch")
    found = generate(capsys, model, "--baseline", *(part for line in lines for part in ("--hook", line)))
    assert found["baseline"]["ids"] == plain["steered"]["ids"] != found["steered"]["ids"]
    scale, heads, watch = found["hooks"]
    assert scale["values"] == {"factor": 2.5, "positions": [0, 2, 3, 4]} and scale["kind"] == "scale"
    assert (scale["passes"], heads["changed_passes"], watch["changed_tokens"]) == (6, 6, 0)
    assert scale["changed_tokens"] <= 4 < scale["tokens"] and scale["mean_change"] == pytest.approx(1.5, rel=1e-4)
    assert watch["seen"]["tokens"] == 6 and found["logit_difference"]["max"] > 0


def test_a_file_of_own_hooks_is_put_where_it_says(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    own = tmp_path / "my_hooks.py"
    own.write_text(FILE_TEXT)
    wanted = generate(capsys, model, "--hook", "layer_1=scale,factor=2.0")
    found = generate(capsys, model, "--hooks", str(own))
    assert found["steered"] == wanted["steered"] and found["hook_file"] == str(own)
    assert [(hook["point"], hook["values"]["name"]) for hook in found["hooks"]] == [
        ("blocks.1.hook_resid_post", "double"),
        *((f"blocks.{layer}.hook_mlp_out", "LayerActivationDetector") for layer in range(4)),
    ]
    named = generate(capsys, model, "--hooks", str(own), "--hook", "hook_logits=spare")
    assert len(set(named["steered"]["logprobs"])) == 1, "all logits are 0"
    assert main(["generate", "The", "--model", model, "--hooks", str(own), "--max-tokens", "2", "--baseline"]) == 0
    captured = capsys.readouterr()
    assert "called" not in captured.out and "loaded" in captured.err
    assert "hook blocks.1.hook_resid_post=double: changed 4 of 4 tokens, by 1.00 of their length" in captured.err
    assert "first token's logits moved by " in captured.err


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("def f(activation, hook)\n    return 1\n", 2, ("my_hooks.py, line 1: SyntaxError",)),
        ("import torch\nx = 1 / 0\n", 2, ("my_hooks.py, line 2: ZeroDivisionError",)),
        ("def f(activation, hook):\n    pass\n", 2, ("puts no hook anywhere: it defines f",)),
        (
            "def f(activation, hook):\n    pass\nHOOKS = [('blocks.9.hook_z', f)]\n",
            2,
            ("hook f (line 1 of my_hooks.py)",),
        ),
        ("def f(a, hook):\n    return a[:1, :1]\nHOOKS = [(0, f)]\n", 1, ("hook f at", "returned shape", "line 1 of")),
        ("def f(a, hook):\n    return a.half()\nHOOKS = [(0, f)]\n", 1, ("hook f at", "float16")),
        ("def f(a, hook):\n    return a / 0 * 0\nHOOKS = [(0, f)]\n", 1, ("hook f at", "NaN")),
        ("def f(a, hook):\n    b = a\n    return b.nope\nHOOKS = [(0, f)]\n", 1, ("AttributeError", "(line 3 of")),
        ("raise KeyboardInterrupt\n", 130, ("interrupted",)),
    ],
)
def test_a_bad_file_is_one_error_with_its_line(
    capsys: pytest.CaptureFixture[str], model: str, tmp_path: Path, text: str, status: int, said: tuple[str, ...]
) -> None:
    own = tmp_path / "my_hooks.py"
    own.write_text(text)
    line = refusal(capsys, model, "--hooks", str(own), status=status)[0]
    assert all(part in line for part in said), line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("layer_1", "is not of the form POINT=KIND"),
        ("layer_1=scael", "no hook is called 'scael'"),
        ("layer_1=scale,factr=2", "there is no parameter 'factr'"),
        ("layer_1=scale,2", "'2' is not of the form name=value"),
        ("layer_1=scale,factor=two", "factor: 'two' is no number"),
        ("layer_1=scale,factor=nan", "factor: 'nan' is no number"),
        ("layer_1=scale,factor=1e999", "factor: '1e999' is no number"),
        ("blocks.1.hook_resid_pots=scale", "no hook point is called 'blocks.1.hook_resid_pots'"),
        ("layer_99=scale", "there is no block 99"),
        ("layer_1=heads", "has no heads"),
        ("layer_1=neurons,neurons=99999", "neuron"),
        ("layer_1=add,vector=zzz", "zzz"),
        ("layer_1=patch", "no prompt"),
        ('layer_1=patch,prompt="a', "the quotes do not end"),
        ("layer_1=clamp,low=3,high=1", "lower bound"),
        ("\x1b[2Jlayer=scale", "no hook point"),
    ],
)
def test_a_bad_line_is_one_error_that_names_it(
    capsys: pytest.CaptureFixture[str], model: str, line: str, said: str
) -> None:
    status = 1 if "neurons=" in line else 2
    first = refusal(capsys, model, "--hook", line, status=status)[0]
    assert said in first and ("hook" in first or "zzz" in line)


def test_lines_survive_parsing_and_writing() -> None:
    for kind in KINDS:
        values = tuple(
            (parameter.name, parameter.default) for parameter in (*kind.parameters, *WHEN[: 4 * kind.changes])
        )
        spec = HookSpec("blocks.1.hook_z", kind.name, values, rows=(0, 1))
        assert parse_hook(format_hook(spec)) == spec
    for text in ('a, at=3 "b"', "plain words", " edge ", "ü=\n", ""):
        spec = HookSpec("layer_1", "patch", (("prompt", text), ("at", (0, 1, 5))))
        assert parse_hook(format_hook(spec)) == spec
    own = HookSpec("layer_1", FILE, (("name", "scale"),))
    assert parse_hook(format_hook(own)) == own and format_hook(own) == "layer_1=file,name=scale"
    assert parse_hook("layer_1=double,rows=1", has_file=True) == HookSpec("layer_1", FILE, (("name", "double"),), (1,))
    assert parse_hook("layer_1=patch,prompt=Hello, you,at=1,2").values == (("prompt", "Hello, you"), ("at", (1, 2)))
    with pytest.raises(UsageError, match="no hook is called 'double'"):
        parse_hook("layer_1=double")


def listed(capsys: pytest.CaptureFixture[str], model: str, *arguments: str) -> list[str]:
    assert main(["points", "--model", model, "--json", *arguments]) == 0
    return [point["name"] for point in json.loads(capsys.readouterr().out)["points"]]


def test_points_can_be_filtered(capsys: pytest.CaptureFixture[str], model: str) -> None:
    everything, named = listed(capsys, model), listed(capsys, model, "--named")
    assert named == everything[: len(named)] and any(name.startswith("model.layers") for name in everything)
    assert listed(capsys, model, "RESID_POST", "--named") == [f"blocks.{n}.hook_resid_post" for n in range(4)]
    assert listed(capsys, model, "attn.*q", "--layers", "1-2", "--named") == [f"blocks.{n}.attn.hook_q" for n in (1, 2)]
    assert "hook_embed" not in listed(capsys, model, "--layers", "all") and "hook_embed" in everything
    assert main(["points", "resid", "--model", model, "--layers", "0", "--named"]) == 0
    captured = capsys.readouterr()
    assert "blocks.0.hook_resid_mid" in captured.out and "3 of " in captured.err
    for arguments, said in (
        (("resid_pots",), "no hook point has 'resid_pots' in its name"),
        (("--layers", "9"), "there is no block 9"),
        (("--layers", "x"), "x"),
    ):
        assert main(["points", "--model", model, *arguments]) == 2
        assert said in capsys.readouterr().err


def test_help_names_every_kind_with_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--help"]) == 0
    text = capsys.readouterr().out
    for kind in KINDS:
        line = next(line for line in text.splitlines() if line.startswith(f"  {kind.name} "))
        assert kind.summary in line and all(parameter.name in line for parameter in kind.parameters) and len(line) < 100


def test_a_logged_point_has_a_line_on_stderr_for_each_pass(capfd: pytest.CaptureFixture[str], model: str) -> None:
    sampling = ("--max-tokens", "3", "--json")
    assert main(["generate", "The meeting", "--model", model, "--hook", "layer_1=log", *sampling]) == 0
    captured = capfd.readouterr()
    lines = [line for line in captured.err.splitlines() if "at blocks.1.hook_resid_post: shape=(1, " in line]
    assert len(lines) == 3 and "mean=" in lines[0] and "shape=(1, 1, " in lines[2] and json.loads(captured.out)


def test_each_hook_says_what_it_did_or_saw(capsys: pytest.CaptureFixture[str], model: str) -> None:
    lines = ["layer_1=top-texts,top_k=2", "layer_1=log", "layer_1=watch", "layer_1=scale,factor=1"]
    asked = [part for line in lines for part in ("--hook", line)]
    assert main(["generate", "The meeting", "--model", model, "--max-tokens", "3", *asked]) == 0
    texts, log, watch, scale = (line for line in capsys.readouterr().err.splitlines() if line.startswith("hook "))
    assert texts.count("neuron ") == 5 and " at '" in texts and "changed" not in texts + log + watch
    assert "3 passes" in log and "mean " in watch and scale.endswith("nothing changed")


@pytest.mark.parametrize("factor", [1.23456789, 12345678.0, 1e-9, 1e300, 0.1 + 0.2, 2.0])
def test_a_number_is_written_with_all_its_digits(factor: float) -> None:
    spec = HookSpec("layer_1", "scale", (("factor", factor),))
    assert parse_hook(format_hook(spec)) == spec
    assert format_hook(HookSpec("layer_1", "scale", (("factor", 2.0),))) == "layer_1=scale,factor=2"


@pytest.mark.parametrize("line", ["positions=99999999999999999999", "positions=3000000000"])
def test_positions_that_no_text_has_are_refused(line: str) -> None:
    lm = model_of("llama")
    with pytest.raises(UsageError, match=r"positions: .* is not a list"):
        build_hook(lm, parse_hook(f"layer_1=scale,factor=2,{line}"), {}, None)
    for make in (
        lambda: TokenConditionalController(None, [2**40]),
        lambda: PatchController(None, torch.zeros(1, 3, 32), [2**40]),
    ):
        with pytest.raises(UsageError, match="out of range"):
            make()
    for positions in ([-1], []):
        with pytest.raises(UsageError):
            PatchController(None, torch.zeros(1, 3, 32), positions)


def test_a_file_whose_hook_is_called_like_a_kind_is_told_how_to_put_it(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("def scale(activation, hook):\n    return activation * 2\n")
    with pytest.raises(UsageError) as raised:
        with_hooks(Request("x", ""), model_of("llama"), (parse_hook("layer_1=scale"),), load_hooks(path))
    assert raised.value.hint is not None and raised.value.hint.endswith("--hook POINT=file,name=scale")
