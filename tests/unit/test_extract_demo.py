"""The demo model: three pairs typed by hand give a vector that works, at once."""

from __future__ import annotations

from functools import cache

from steer_tui.demo.prompts import TUNING_PROMPTS
from steer_tui.demo.trial import Setting, run_trials
from steer_tui.demo.vectors import bundled_concepts
from steer_tui.engine.extract import extract
from steer_tui.engine.loading import load_model
from steer_tui.engine.model import LanguageModel
from steer_tui.library.pairfiles import read_pairs
from steer_tui.library.pairtexts import system_pair
from tests.stopwatch import Stopwatch

TYPED = """
I am so happy today, what a wonderful day | I went to work today, it is a day
The trip was a joy and we laughed all the way | The trip was long and we drove all the way
I love this cheerful garden, it makes me smile | I saw this small garden, it is near the house
"""


@cache
def demo() -> LanguageModel:
    return load_model("demo", device="cpu")


def test_three_typed_pairs_give_a_working_vector_in_two_seconds() -> None:
    lm = demo()
    concept = read_pairs(TYPED).as_concept("glad")
    extract(lm, [concept], layers=[0])
    watch = Stopwatch()
    vector = extract(lm, [concept])["glad"]
    assert watch.look() < 2.0
    happy = next(one for one in bundled_concepts() if one.name == "happy")
    plain, steered = run_trials(lm, ["", "glad:1"], {"glad": vector}, Setting(TUNING_PROMPTS, (1,)))
    assert plain.share(happy) <= 0.2 and steered.share(happy) >= 0.6


def test_a_system_pair_is_read_through_the_chat_template() -> None:
    vector = extract(demo(), [system_pair("You are kind.", "You are rude.").as_concept("kind")])["kind"]
    assert (vector.meta.template, vector.meta.read, vector.meta.pairs) == ("chat", "completion", 16)
    assert len(vector.layers) == demo().info.layers and vector.meta.diagnostics[2]["auroc"] > 0.5
