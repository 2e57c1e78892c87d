"""Hooks from a file of the user's own: what is found, reloading, and errors with their line."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
import torch

from steer_tui.engine.catalogue import placed_specs
from steer_tui.errors import UsageError
from steer_tui.hooks import Controller, Detector, HookError, load_hooks
from tests.unit.hooktools import PROMPT, is_clean, model_of

GOOD = '''
"""My hooks."""
from dataclasses import dataclass
import torch
from steer_tui.hooks import Controller, Detector, FunctionController, HookType, LayerActivationDetector

FACTOR = 2.0

def double(activation, hook):
    """Twice as much."""
    return activation * FACTOR

def _private(activation, hook):
    return activation

def helper(x):
    return x

class Halving(Controller):
    """Half as much.

    More text.
    """
    def modify_activations(self, module, inputs, output):
        return output * 0.5

class Counting(Detector):
    def __init__(self, layer_signature, start=0):
        super().__init__(layer_signature=layer_signature)
        self.count = start
    def process_activations(self, module, input, output):
        self.count += 1

class NeedsMore(Controller):
    def __init__(self, layer_signature, scale):
        super().__init__(layer_signature=layer_signature)

@dataclass
class Setting:
    value: float = 1.0

watching = LayerActivationDetector("layer_1")
HOOKS = [("blocks.0.hook_resid_post", double), (1, helper), ([0, 1], Counting)]
HOOKS += [(lambda name: "mlp_out" in name, Halving())]
'''


def write(folder: Path, text: str, name: str = "my_hooks.py") -> Path:
    path = folder / name
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(stamp + 10**9, stamp + 10**9))
    return path


def test_everything_that_a_file_defines_is_found(tmp_path: Path) -> None:
    file = load_hooks(write(tmp_path, GOOD))
    assert set(file) == {"double", "Halving", "Counting", "watching", "helper", "Halving-2"}
    assert (file["double"].kind, file["Halving"].kind, file["Counting"].kind) == ("function", "controller", "detector")
    assert file["double"].summary == "Twice as much." and file["Halving"].summary == "Half as much."
    assert GOOD.splitlines()[file["double"].line - 1].startswith("def double")
    assert isinstance(file["Halving"].make(), Controller) and isinstance(file["Counting"].make(), Detector)
    assert file["Halving"].make() is not file["Halving"].make() and file["watching"].make() is file["watching"].make()
    assert file["watching"].point == "layer_1" and file["Halving"].point is None


def test_a_file_puts_its_hooks_where_it_says(tmp_path: Path) -> None:
    lm = model_of("gpt2")
    file = load_hooks(write(tmp_path, GOOD))
    wanted = lm.run_with_hooks(
        PROMPT,
        [(0, lambda activation: activation * 2), (lambda name: "mlp_out" in name, lambda activation: activation * 0.5)],
    )
    with lm.layers.hooked(file.placed):
        assert torch.equal(lm(PROMPT), wanted)
        assert len(lm.layers.attached) == 1 + 1 + 2 + 3 + 1
    assert is_clean(lm) and file["watching"].make().get_captured() is not None  # type: ignore[attr-defined]


def test_a_saved_change_is_loaded_again_and_only_then(tmp_path: Path) -> None:
    lm = model_of("gpt2")
    path = write(tmp_path, GOOD)
    file = load_hooks(path)
    assert not file.reload()
    write(tmp_path, GOOD.replace("FACTOR = 2.0", "FACTOR = 3.0"))
    assert file.reload() and not file.reload()
    found = lm.run_with_hooks(PROMPT, [(0, file["double"].make())])
    assert torch.equal(found, lm.run_with_hooks(PROMPT, [(0, lambda activation: activation * 3.0)]))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("def f(activation, hook):\n    return (\n", 2, "SyntaxError"),
        ("import torch\n\nx = undefined_name\n", 3, "NameError: name 'undefined_name'"),
        ("import no_such_module_anywhere\n", 1, "ModuleNotFoundError"),
        ("\n\nraise SystemExit(3)\n", 3, "SystemExit"),
        ("def f():\n    raise ValueError('[/b] \\x1b[31m')\nf()\n", 2, "ValueError"),
        ("\tx = 1\n  y = 2\n", 1, "IndentationError"),
    ],
)
def test_an_error_names_its_line_and_changes_nothing(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        load_hooks(write(tmp_path, text))
    assert f"line {line}" in raised.value.message and "\x1b" not in raised.value.message
    assert raised.value.hint and not [
        name for name in sys.modules if name.startswith("steer_tui_own") and tmp_path.name in name
    ]
    path = write(tmp_path, GOOD)
    file = load_hooks(path)
    before = dict(file)
    write(tmp_path, text)
    with pytest.raises(UsageError, match=said):
        file.reload()
    assert dict(file) == before and not file.reload(), "said once per saved version"
    write(tmp_path, GOOD)
    assert file.reload()


def test_files_that_cannot_be_read_or_define_nothing_are_refused(tmp_path: Path) -> None:
    for path, text in ((tmp_path / "none.py", "none.py"), (tmp_path, "Python file|cannot be read")):
        with pytest.raises(UsageError, match=text):
            load_hooks(path)
    with pytest.raises(UsageError, match="defines no hook"):
        load_hooks(write(tmp_path, "x = 1\n"))
    with pytest.raises(UsageError, match="no Python file"):
        load_hooks(write(tmp_path, "x = 1\n", "notes.txt"))
    (tmp_path / "bytes.py").write_bytes(b"x = '\xff\xfe'\n")
    with pytest.raises(UsageError, match=r"bytes\.py"):
        load_hooks(tmp_path / "bytes.py")


@pytest.mark.parametrize("hooks", ["{}", "[(1,)]", "[(1, 2)]", "[('layer_0', NeedsMore)]", "['ab']"])
def test_a_list_of_hooks_that_is_none_is_refused(tmp_path: Path, hooks: str) -> None:
    text = GOOD[: GOOD.index("HOOKS = ")] + f"HOOKS = {hooks}\n"
    with pytest.raises(UsageError, match="HOOKS"):
        load_hooks(write(tmp_path, text))


def test_an_error_inside_an_own_hook_names_the_line_of_the_file(tmp_path: Path) -> None:
    lm = model_of("gpt2")
    path = write(tmp_path, "def wrong(activation, hook):\n    x = activation\n    return x[:, :, 10**6]\n")
    hook = load_hooks(path)["wrong"].make()
    with pytest.raises(HookError, match=r"wrong at blocks\.1\.hook_resid_post failed: IndexError") as raised:
        lm.run_with_hooks(PROMPT, [(1, hook)])
    assert raised.value.file == str(path) and raised.value.line == 3 and is_clean(lm)
    write(tmp_path, "def wrong(activation, hook):\n\n    return activation.half()\n")
    hook = load_hooks(path)["wrong"].make()
    with pytest.raises(HookError, match="float16") as raised:
        lm.run_with_hooks(PROMPT, [(1, hook)])
    assert raised.value.line == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return a / 0", "it returned infinity"),
        ("return a * float('nan')", "it returned NaN"),
        ("return a[:, :1]", "it returned shape"),
        ("return a.to('meta')", "it returned a tensor on meta"),
        ("raise Odd()", "failed: Odd"),
        ("raise ValueError('\\x1b[2J' + 'x' * 5000)", "ValueError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise BaseException('bx')", "BaseException: bx"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("return h(a, hook)", "RecursionError"),
    ],
)
def test_whatever_an_own_hook_does_is_one_short_error_and_leaves_nothing(tmp_path: Path, body: str, said: str) -> None:
    lm = model_of("gpt2")
    odd = "class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError('no text')\n"
    path = write(tmp_path, f"{odd}def h(a, hook):\n    {body}\n")
    with pytest.raises(HookError) as raised:
        lm.run_with_hooks(PROMPT, [(1, load_hooks(path)["h"].make())])
    assert said in raised.value.message and "\x1b" not in raised.value.message and len(raised.value.message) < 600
    assert raised.value.line in (4, 5) and is_clean(lm)


def test_ctrl_c_goes_through_and_the_same_from_a_hook_in_another_thread_does_not(tmp_path: Path) -> None:
    lm = model_of("gpt2")
    hook = load_hooks(write(tmp_path, "def h(a, hook):\n    raise KeyboardInterrupt\n"))["h"].make()
    with pytest.raises(KeyboardInterrupt):
        lm.run_with_hooks(PROMPT, [(1, hook)])
    found: list[BaseException] = []

    def work() -> None:
        try:
            lm.run_with_hooks(PROMPT, [(1, hook)])
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert isinstance(found[0], HookError) and found[0].line == 2 and is_clean(lm)


def test_a_file_may_import_its_neighbours_and_raise_what_it_likes(tmp_path: Path) -> None:
    before = list(sys.path)
    (tmp_path / "neighbour_of_hooks.py").write_text("FACTOR = 3\n")
    body = "from neighbour_of_hooks import FACTOR\ndef h(a, hook):\n    return a * FACTOR\n"
    assert list(load_hooks(write(tmp_path, body))) == ["h"]
    for text in ("raise BaseException('bx')", "raise GeneratorExit"):
        with pytest.raises(UsageError, match="line 1: "):
            load_hooks(write(tmp_path, text))
    assert sys.path == before
    sys.modules.pop("neighbour_of_hooks", None)


def test_a_filter_of_the_list_that_fails_is_named(tmp_path: Path) -> None:
    lm = model_of("gpt2")
    file = load_hooks(write(tmp_path, "def h(a, hook):\n    return a\nHOOKS = [(lambda name: 1 / 0, h)]\n"))
    with pytest.raises(UsageError, match=r"hook h \(line 1 of my_hooks.py\): the filter lambda failed: ZeroDivision"):
        placed_specs(lm, file)


def test_ids_that_the_model_does_not_know_are_refused(tmp_path: Path) -> None:
    lm = model_of("gpt2")
    swap = load_hooks(write(tmp_path, "def h(ids, hook):\n    return ids * 0 + 5\n"))["h"].make()
    assert torch.equal(lm.run_with_hooks([7, 8, 9], [("hook_tokens", swap)]), lm([5, 5, 5]))
    for number in (10**6, -1):
        text = f"def h(ids, hook):\n    return ids * 0 + ({number})\n"
        with pytest.raises(HookError, match=rf"token id {number}, the model knows ids 0 to"):
            lm.run_with_hooks(PROMPT, [("hook_tokens", load_hooks(write(tmp_path, text))["h"].make())])
    assert is_clean(lm)


def test_a_class_that_is_not_set_up_or_fails_names_its_line(tmp_path: Path) -> None:
    text = "from steer_tui.hooks import Controller\nclass H(Controller):\n    def __init__(self):\n        {}\n"
    with pytest.raises(UsageError, match="line 2: H is not set up"):
        load_hooks(write(tmp_path, text.format("pass")))["H"].make()
    with pytest.raises(UsageError, match="line 4: ValueError: no"):
        load_hooks(write(tmp_path, text.format("raise ValueError('no')")))["H"].make()
    for made in ("it = H()", "HOOKS = [(0, H())]"):
        with pytest.raises(UsageError, match="line 2: H is not set up"):
            load_hooks(write(tmp_path, text.format("pass") + made + "\n"))


def test_hooks_of_a_list_are_called_as_the_file_calls_them_and_numbered_where_a_name_is_taken(tmp_path: Path) -> None:
    text = """
from functools import partial

def scale(activation, hook, factor=2.0):
    return activation * factor

HOOKS = [(0, scale), (1, scale), (2, partial(scale, factor=3.0)), (2, lambda activation, hook: None)]
"""
    file = load_hooks(write(tmp_path, text))
    assert [(own.name, own.point) for own in file.placed_hooks] == [
        ("scale", 0),
        ("scale-2", 1),
        ("scale-3", 2),
        ("lambda", 2),
    ]
    one = torch.ones(1, 2, 3)
    assert [float(file[name].make().modify_activations(None, (), one)[0, 0, 0]) for name in list(file)[:3]] == [2, 2, 3]
