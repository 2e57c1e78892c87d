"""Prompts become ids: the template once, BOS once, never nothing, never more than fits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from steer_tui.engine.model import LanguageModel
from steer_tui.engine.prompt import encode, pad_left, positions, without_surrogates
from steer_tui.errors import ModelError, UsageError
from tests.unit.architectures import CONTEXT, architecture, build_model
from tests.unit.tiny import tokenizer

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def made(bos: bool = True, template: str | None = None, **special: str | None) -> PreTrainedTokenizerFast:
    """Return a tokenizer of its own, changed as asked."""
    backend = PreTrainedTokenizerFast(tokenizer_object=tokenizer(bos).backend_tokenizer)
    tokens: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>"} | special
    return PreTrainedTokenizerFast(
        tokenizer_object=backend.backend_tokenizer,
        chat_template=template,
        **{name: token for name, token in tokens.items() if token is not None},
    )


def test_without_a_template_a_prompt_is_the_tokenizers_own_ids() -> None:
    fast = made()
    assert encode(fast, "The meeting went") == fast("The meeting went")["input_ids"]


def test_the_template_is_applied_once_with_the_turn_of_the_answer() -> None:
    fast = made(template=TEMPLATE)
    assert fast.decode(encode(fast, "Hello")) == "<s>[user]Hello[assistant]"


def test_raw_bypasses_the_template() -> None:
    fast = made(template=TEMPLATE)
    assert fast.decode(encode(fast, "Hello", raw=True)) == "<s>Hello"


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("template", [None, TEMPLATE, "{{ bos_token }}" + TEMPLATE])
@pytest.mark.parametrize("prompt", ["Hello", "<s>Hello", "<s><s>", ""])
def test_there_is_never_a_second_bos(raw: bool, template: str | None, prompt: str) -> None:
    fast = made(template=template)
    ids = encode(fast, prompt, raw)
    bos = fast.bos_token_id
    assert ids[0] == bos
    assert ids[:2] != [bos, bos]


def test_a_template_without_bos_gets_none() -> None:
    fast = made(template="{{ messages[0]['content'] }}")
    assert fast.decode(encode(fast, "Hello")) == "Hello"


def test_an_eos_that_the_tokenizer_appends_is_dropped() -> None:
    backend = made(bos=False).backend_tokenizer
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    assert fast("Hello")["input_ids"][-1] == fast.eos_token_id
    assert fast.decode(encode(fast, "Hello")) == "Hello"
    assert encode(fast, "Hello</s>")[-1] == fast.eos_token_id


@pytest.mark.parametrize(
    ("special", "expected"),
    [
        ({}, "<s>"),
        ({"bos_token": None}, "</s>"),
        ({"bos_token": None, "eos_token": None, "pad_token": "</s>"}, "</s>"),
    ],
)
def test_an_empty_prompt_is_bos_else_eos_else_padding(special: dict[str, str | None], expected: str) -> None:
    fast = made(bos=False, **special)
    assert encode(fast, "") == [fast.convert_tokens_to_ids(expected)]


def test_an_empty_prompt_is_one_token_even_without_any_special_one() -> None:
    assert encode(made(bos=False, bos_token=None, eos_token=None), "") == [0]


def test_a_prompt_beyond_the_context_is_refused_with_numbers() -> None:
    lm = architecture("llama")
    assert len(lm.encode("x" * (CONTEXT - 1))) == CONTEXT
    with pytest.raises(UsageError, match=f"{CONTEXT + 3} tokens, the model takes {CONTEXT}") as error:
        lm.encode("x" * (CONTEXT + 2))
    assert error.value.hint and "3 tokens" in error.value.hint


def test_a_model_that_names_no_context_takes_any_length() -> None:
    lm = architecture("bloom")
    assert lm.info.context == 0
    assert len(lm.encode("x" * 5000)) == 5001


def test_a_token_that_the_model_does_not_know_is_refused() -> None:
    lm = LanguageModel(build_model("llama", vocab_size=200), tokenizer())
    with pytest.raises(ModelError, match="the model knows 200"):
        lm.encode("a wonderful morning, everyone")


@pytest.mark.parametrize("template", ["{{ raise_exception('no user') }}", "{{ nothing.at.all }}", "{% broken"])
def test_a_template_that_fails_is_one_clear_error(template: str) -> None:
    with pytest.raises(ModelError, match="chat template fails") as error:
        encode(made(template=template), "Hello")
    assert error.value.hint and "--raw" in error.value.hint


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert without_surrogates("a\ud800b\udc00") == "a\ufffdb\ufffd"
    assert without_surrogates("\ud83d\ude42") == "🙂"


@given(st.text(st.characters(codec=None)))
def test_any_text_gives_ids_that_the_model_knows(text: str) -> None:
    fast = made(template=TEMPLATE)
    for raw in (True, False):
        ids = encode(fast, text, raw)
        assert ids and all(0 <= token < len(fast) for token in ids)


def test_rows_are_padded_on_the_left_and_positions_count_from_the_first_token() -> None:
    ids, mask = pad_left([[5, 6, 7], [8], [9, 10]], 3)
    assert ids.tolist() == [[5, 6, 7], [3, 3, 8], [3, 9, 10]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
    assert positions(mask).tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 1]]
    assert ids.dtype == mask.dtype == positions(mask).dtype == torch.long


def test_padding_is_a_token_that_the_model_knows() -> None:
    beyond = made(pad_token="<added>")
    assert beyond.pad_token_id == len(tokenizer())
    lm = LanguageModel(build_model("llama"), beyond)
    assert lm.pad_id == beyond.eos_token_id
    assert LanguageModel(build_model("llama"), made(bos=False, bos_token=None, eos_token=None)).pad_id == 0


@pytest.mark.parametrize("named", [7, [7, 9], None])
def test_every_source_of_an_end_token_is_heard(named: int | list[int] | None) -> None:
    model = build_model("llama", eos_token_id=4)
    model.generation_config.eos_token_id = named
    expected = {4, tokenizer().eos_token_id} | (set() if named is None else {7} if named == 7 else {7, 9})
    assert LanguageModel(model, tokenizer()).eos_ids == expected
