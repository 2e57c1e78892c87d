"""Text as it streams is the text of all ids together, a token at a time, and never costs more at its end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from steer_tui.engine.detokenize import Detokenizer
from steer_tui.text import clean
from tests.unit.tiny import tokenizer

PROMPT = "The meeting went"
WRITTEN = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("é東🙂👩‍🚀ß "), max_size=30)


def streamed(prompt: Sequence[int], ids: Sequence[int]) -> list[str]:
    """Return the pieces that the ids give, the last one from the flush."""
    stream = Detokenizer(tokenizer(), prompt)
    return [*(stream.push(token) for token in ids), stream.flush()]


@settings(max_examples=300)
@given(st.lists(st.integers(0, len(tokenizer()) - 1), max_size=80))
def test_random_ids_give_the_text_of_all_of_them(ids: list[int]) -> None:
    prompt = tokenizer()(PROMPT)["input_ids"]
    assert "".join(streamed(prompt, ids)) == clean(tokenizer().decode(ids, skip_special_tokens=True))


@settings(max_examples=200)
@given(WRITTEN, WRITTEN)
def test_a_text_comes_back_whatever_its_characters(prompt: str, text: str) -> None:
    before = tokenizer()(prompt)["input_ids"]
    ids = tokenizer()(text, add_special_tokens=False)["input_ids"]
    pieces = streamed(before, ids)
    assert "".join(pieces) == clean(text)
    assert all("\ufffd" not in piece for piece in pieces) or "\ufffd" in text


def test_a_character_comes_whole_with_the_token_that_completes_it() -> None:
    ids = tokenizer()("a🤖b", add_special_tokens=False)["input_ids"]
    pieces = streamed(tokenizer()(PROMPT)["input_ids"], ids)
    assert [piece for piece in pieces if piece] == ["a", "🤖", "b"]


def test_an_open_character_at_the_end_is_shown_as_one_that_is_none() -> None:
    ids = tokenizer()("🤖", add_special_tokens=False)["input_ids"][:-1]
    assert streamed([], ids)[-1] == "\ufffd"


def test_no_control_byte_comes_through() -> None:
    ids = tokenizer()("a\x1b[31mb\u202ec\r\x9bd", add_special_tokens=False)["input_ids"]
    assert "".join(streamed([], ids)) == "a[31mbcd"


def test_special_tokens_have_no_text() -> None:
    assert "".join(streamed([0], [0, 1, 0, 1])) == ""


@pytest.mark.parametrize("kind", ["broken", "special", "random"])
def test_a_token_costs_the_same_at_the_end_of_a_long_text(kind: str) -> None:
    one = tokenizer()("🙂", add_special_tokens=False)["input_ids"][1:2] if kind == "broken" else [0]
    ids = random.Random(0).choices(range(len(tokenizer())), k=3000) if kind == "random" else one * 1000
    seen: list[int] = []

    class Counting:
        def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
            seen.append(len(token_ids))
            return str(tokenizer().decode(list(token_ids), skip_special_tokens=skip_special_tokens))

    stream = Detokenizer(Counting(), [])
    text = "".join(stream.push(token) for token in ids) + stream.flush()
    assert text == clean(tokenizer().decode(ids, skip_special_tokens=True))
    assert max(seen) < 100


@pytest.mark.parametrize("seed", range(20))
def test_broken_bytes_before_whole_characters_change_none_of_them(seed: int) -> None:
    source = random.Random(seed)
    bytes_only = [token for token in range(2, 258) if seed % 2 or tokenizer().decode([token]) == "\ufffd"]
    ids: list[int] = []
    for _ in range(12):
        ids += source.choices(bytes_only, k=source.randrange(60))
        ids += tokenizer()(source.choice(["東京", "🙂🙃", "é"]), add_special_tokens=False)["input_ids"]
    assert "".join(streamed([], ids)) == clean(tokenizer().decode(ids, skip_special_tokens=True))


def test_the_space_at_the_start_of_a_text_is_kept_where_a_tokenizer_drops_it() -> None:
    words = {"▁The": 0, "▁meeting": 1, "▁went": 2, "▁well": 3, ".": 4}
    made = Tokenizer(models.WordLevel(words, unk_token="."))
    made.decoder = decoders.Metaspace()

    class Plain:
        def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
            return str(made.decode(list(token_ids), skip_special_tokens=skip_special_tokens))

    stream = Detokenizer(Plain(), [0, 1])
    assert [stream.push(token) for token in (2, 3, 4)] == [" went", " well", "."]


def test_real_tokenizers_stream_what_they_decode(real_models: Path) -> None:
    from transformers import AutoTokenizer

    for folder in sorted(path for path in real_models.iterdir() if path.is_dir()):
        real = AutoTokenizer.from_pretrained(folder)
        prompt = real("Once upon a time")["input_ids"]
        for text in ("there was a dog. It said: hello!", "größer 東京 🙂, ok"):
            ids = real("a " + text)["input_ids"]
            stream = Detokenizer(real, prompt)
            found = "".join(stream.push(token) for token in ids) + stream.flush()
            assert found.strip() == clean(real.decode(ids, skip_special_tokens=True)).strip()
