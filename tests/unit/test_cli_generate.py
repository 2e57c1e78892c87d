"""`generate` as a script meets it, on a tiny random model: JSON, streams, seeds, hostile prompts, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from steer_tui.cli import main
from steer_tui.commands import generate as generate_command
from steer_tui.engine.types import Request, RunResult, Step, Text, Token
from tests.stopwatch import Stopwatch
from tests.unit.made_vectors import INFO
from tests.unit.tiny_model import write_tiny_model

RESULT_KEYS = {
    "version",
    "model",
    "prompt",
    "prompt_ids",
    "recipe",
    "sampling",
    "steered",
    "baseline",
    "activations",
    "measures",
    "tokens_per_second",
    "seconds",
}
MODEL_KEYS = {"ref", "id", "type", "layers", "width", "parameters", "device", "dtype", "fingerprint"}
PAIR = {"steered", "baseline"}

CONCEPT = """
name = "glad"
group = "emotions"
description = "a glad voice"
positive = ["I am so happy today", "What a wonderful morning", "How lovely it all is"]
negative = ["I am here today", "It is morning", "It is like this"]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama"))


@pytest.fixture
def concept(home: Path) -> Path:
    path = home / "data" / "concepts" / "glad.toml"
    path.parent.mkdir(parents=True)
    path.write_text(CONCEPT, encoding="utf-8")
    return path


def generate_json(capsys: pytest.CaptureFixture[str], model: str, *arguments: str) -> dict[str, Any]:
    assert main(["generate", *arguments, "--json", "--model", model, "--max-tokens", "6"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    return dict(json.loads(out))


def test_json_holds_what_the_contract_names(capsys: pytest.CaptureFixture[str], model: str, concept: Path) -> None:
    result = generate_json(capsys, model, "The meeting", "--steer", "glad:2@1", "--baseline")
    assert result.keys() >= RESULT_KEYS
    assert result["version"] == 1
    assert result["model"].keys() == MODEL_KEYS
    assert result["model"]["ref"] == model
    assert (result["model"]["layers"], result["model"]["width"], result["model"]["type"]) == (4, 32, "llama")
    assert result["prompt"] == "The meeting"
    assert result["recipe"] == "glad:2@1"
    assert result["sampling"] == {"temperature": 0.7, "top_p": 1.0, "top_k": 0, "seed": 0, "max_tokens": 6}
    for branch in ("steered", "baseline"):
        text = result[branch]
        assert text.keys() == {"text", "ids", "logprobs", "finish"}
        assert len(text["ids"]) == len(text["logprobs"]) <= 6
        assert text["finish"] in ("stop", "length")
        assert [entry["layer"] for entry in result["activations"][branch]] == [0, 1, 2, 3]
        assert all(entry.keys() == {"layer", "mean", "std", "norm"} for entry in result["activations"][branch])
    measures = result["measures"]
    assert measures.keys() == {"concepts", "perplexity", "kl_mean", "kl_p95", "distinct_2"}
    assert measures["concepts"].keys() == {"glad"}
    assert measures["concepts"]["glad"].keys() == measures["perplexity"].keys() == measures["distinct_2"].keys() == PAIR
    assert measures["kl_mean"] > 0


def test_without_a_baseline_its_places_are_null(capsys: pytest.CaptureFixture[str], model: str, concept: Path) -> None:
    result = generate_json(capsys, model, "The meeting", "--steer", "glad")
    assert result["baseline"] is None
    assert result["activations"]["baseline"] is None
    assert result["measures"]["perplexity"]["baseline"] is None


def test_the_same_seed_gives_the_same_text(capsys: pytest.CaptureFixture[str], model: str, concept: Path) -> None:
    def ids(seed: str) -> object:
        return generate_json(capsys, model, "Rain", "--steer", "glad", "--seed", seed)["steered"]["ids"]

    assert ids("7") == ids("7")
    assert ids("7") != ids("8")


def test_an_empty_recipe_steers_nothing(capsys: pytest.CaptureFixture[str], model: str) -> None:
    result = generate_json(capsys, model, "Rain", "--steer", "", "--baseline")
    assert result["steered"]["ids"] == result["baseline"]["ids"]


def test_a_missing_vector_is_made_once_and_kept(
    capsys: pytest.CaptureFixture[str], model: str, concept: Path, home: Path
) -> None:
    first = generate_json(capsys, model, "Rain", "--steer", "glad")
    kept = list((home / "data" / "vectors").glob("*/glad.safetensors"))
    assert len(kept) == 1
    concept.unlink()
    assert generate_json(capsys, model, "Rain", "--steer", "glad")["steered"] == first["steered"]


def test_plain_text_goes_to_stdout_and_measures_to_stderr(
    capsys: pytest.CaptureFixture[str], model: str, concept: Path
) -> None:
    arguments = ["Rain", "--steer", "glad", "--baseline"]
    result = generate_json(capsys, model, *arguments)
    assert main(["generate", *arguments, "--model", model, "--max-tokens", "6"]) == 0
    out, err = capsys.readouterr()
    expected = f"--- steered ---\n{result['steered']['text']}\n--- baseline ---\n{result['baseline']['text']}\n"
    assert out == expected
    assert len(err.splitlines()) == 1
    assert "perplexity" in err and "tok/s" in err


@pytest.mark.parametrize(("steered", "baseline"), [("a b", "c"), ("a", "c d e"), ("a", "c"), ("", "")])
def test_texts_of_any_length_come_one_after_the_other(
    capsys: pytest.CaptureFixture[str], steered: str, baseline: str
) -> None:
    printer = generate_command._Printer(both=True)
    for index, (first, second) in enumerate(zip_longest(steered.split(), baseline.split())):
        tokens = [None if word is None else Token(0, word, 0.0, True, None) for word in (first, second)]
        printer.take(Step(index, tokens[0], tokens[1]))
    texts = [Text(words.replace(" ", ""), (), (), "stop") for words in (steered, baseline)]
    printer.finish(RunResult(INFO, Request("", ""), (), texts[0], texts[1], ((), ()), None, 0.0, 0.0))
    assert capsys.readouterr().out == f"--- steered ---\n{texts[0].text}\n--- baseline ---\n{texts[1].text}\n"


def test_without_a_baseline_stdout_is_the_text_alone(
    capsys: pytest.CaptureFixture[str], model: str, concept: Path
) -> None:
    result = generate_json(capsys, model, "Rain", "--steer", "glad")
    assert main(["generate", "Rain", "--steer", "glad", "--model", model, "--max-tokens", "6"]) == 0
    assert capsys.readouterr().out == result["steered"]["text"] + "\n"


@pytest.mark.parametrize(
    "prompt",
    ["[/]", "[@click=app.quit]x", "a\x1b]0;title\x07b", "a\ud800b", "\u202eabc\u2066", "\u200b\u0301 漢字 👩‍👩‍👧", ""],
)
def test_hostile_prompts_do_no_harm(capsys: pytest.CaptureFixture[str], model: str, prompt: str) -> None:
    assert main(["generate", prompt, "--steer", "", "--model", model, "--max-tokens", "4"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    result = generate_json(capsys, model, prompt, "--steer", "")
    assert result["prompt_ids"]


@pytest.mark.parametrize(
    ("recipe", "hint"),
    [
        ("glod", "glad"),
        ("glad:x", "strength"),
        ("glad@9", "layers 0-3"),
        ("glad~ad", "add"),
        ("glad,", "name"),
        ("glad?glod>1", "glad"),
    ],
)
def test_bad_recipes_are_refused_with_a_remedy(
    capsys: pytest.CaptureFixture[str], model: str, concept: Path, recipe: str, hint: str
) -> None:
    assert main(["generate", "x", "--steer", recipe, "--model", model]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("error: ") and lines[1].startswith("hint: ") and len(lines) == 2
    assert hint in lines[1]


def test_a_damaged_vector_is_named_and_kept(
    capsys: pytest.CaptureFixture[str], model: str, concept: Path, home: Path
) -> None:
    generate_json(capsys, model, "Rain", "--steer", "glad")
    kept = next((home / "data" / "vectors").glob("*/glad.safetensors"))
    kept.write_bytes(kept.read_bytes()[:100])
    assert main(["generate", "x", "--steer", "glad", "--model", model]) == 1
    assert "glad" in capsys.readouterr().err
    assert kept.stat().st_size == 100


@pytest.mark.parametrize("ref", ["./no-such-folder", "no/such-model-anywhere"])
def test_a_model_that_is_not_there_is_one_clear_error(capsys: pytest.CaptureFixture[str], ref: str) -> None:
    assert main(["generate", "x", "--steer", "", "--model", ref, "--offline"]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and len(err.splitlines()) <= 2
    assert ref.rpartition("/")[2] in err


READY = """
import signal, sys
put_on = signal.signal
def noted(*handler):
    before = put_on(*handler)
    print("ready", file=sys.stderr, flush=True)
    return before
signal.signal = noted
from steer_tui.cli import main
sys.exit(main())
"""
"""The program, which says when it is ready for an interrupt: before that python itself may not have begun."""


Start = Callable[..., Popen[str]]


@pytest.fixture
def start(model: str, home: Path) -> Iterator[Start]:
    """A function that starts the program on further arguments; nothing of it is left behind."""
    started: list[Popen[str]] = []

    def begin(*arguments: str, code: tuple[str, ...] = ("-m", "steer_tui")) -> Popen[str]:
        command = [sys.executable, *code, "generate", "Rain", "--steer", "", "--model", model, *arguments]
        env = {**os.environ, "STEER_TUI_HOME": str(home)}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        started.append(Popen(command, **pipes, text=True, env=env))  # type: ignore[call-overload]
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_text_streams_and_an_interrupt_keeps_what_there_is(start: Start) -> None:
    process = start("--max-tokens", "100000", "--temperature", "1.5")
    assert process.stdout is not None
    streamed = process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    watch = Stopwatch()
    rest, err = process.communicate(timeout=280)
    assert process.returncode == 130, err
    assert watch.look() < 5  # a hundred thousand tokens would take minutes
    assert streamed + rest
    assert "Traceback" not in err and "terminate" not in err


@pytest.mark.parametrize("wait", [0.0, 0.4, 1.2])
def test_an_interrupt_at_any_time_ends_with_130(start: Start, wait: float) -> None:
    process = start("--max-tokens", "100000", code=("-c", READY))
    assert process.stderr is not None and process.stderr.readline() == "ready\n"
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=280)
    assert process.returncode == 130
    assert "terminate" not in err


def test_a_reader_that_leaves_ends_the_run_quietly(start: Start) -> None:
    process = start("--max-tokens", "100000", "--temperature", "1.5")
    assert process.stdout is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(timeout=280) == 0
    assert err == ""


def test_a_prompt_is_read_from_stdin(model: str, home: Path) -> None:
    command = [sys.executable, "-m", "steer_tui", "generate", "-", "--steer", "", "--model", model, "--json"]
    done = subprocess.run(
        [*command, "--max-tokens", "2"], input=b"The m\xffeeting\n", capture_output=True, timeout=280, check=True
    )
    assert json.loads(done.stdout)["prompt"] == "The m\ufffdeeting"
