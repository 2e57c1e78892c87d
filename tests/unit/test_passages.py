"""Which tokens of an example are read, raw and through a chat template."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_tui.engine.chat import chat_text
from steer_tui.engine.extractchoices import READS, Read, parse_read
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.passages import Passage, prepare
from steer_tui.engine.tokensread import tokens_read
from steer_tui.errors import ModelError, UsageError
from tests.unit.tiny import new_lm, shared_lm

CHATML = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</{{ m['role'] }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
NO_SYSTEM = "{% for m in messages %}{% if m['role'] != 'system' %}[{{ m['content'] }}]{% endif %}{% endfor %}>"
TURNS = "{% for m in messages %}<user>{{ m['content'] }}</user>{% endfor %}<assistant>"
RAISES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + NO_SYSTEM


@dataclass(frozen=True)
class Concept:
    name: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    prompts: tuple[str, ...] = ()
    system: tuple[str, str] | None = None
    group: str = ""
    description: str = ""


MOODS = Concept("moods", ("I am so happy today", "What a wonderful morning"), ("I am so sad", "What a note"))


def chat_lm(template: str = CHATML) -> LanguageModel:
    lm = new_lm()
    lm.tokenizer = lm.tokenizer.__class__(tokenizer_object=lm.tokenizer._tokenizer, bos_token="<s>", eos_token="</s>")
    lm.tokenizer.chat_template = template
    return lm


def read_text(lm: LanguageModel, passage: Passage) -> str:
    text: str = lm.tokenizer.decode(passage.ids[passage.start : passage.end])
    return text


def texts(read: str, concept: Concept = MOODS, lm: LanguageModel | None = None, **options: str) -> list[str]:
    lm = lm or shared_lm()
    found = prepare(lm, concept, parse_read(read), **options)
    return [read_text(lm, one) for one in (*found.positive, *found.negative)]


def test_all_tokens_but_what_the_tokenizer_puts_in_front() -> None:
    assert texts("mean") == texts("auto") == [*MOODS.positive, *MOODS.negative]


def test_the_last_tokens_and_never_more_than_there_are() -> None:
    found = prepare(shared_lm(), MOODS, parse_read("last:2"))
    assert all(one.end - one.start == 2 and one.end == len(one.ids) for one in (*found.positive, *found.negative))
    assert texts("last:500") == texts("mean")
    assert all(text and MOODS.positive[0].endswith(text) for text in texts("last")[:1])


def test_what_follows_the_words_a_pair_shares() -> None:
    happy, wonderful, sad, note = texts("completion")
    assert "happy today" in happy and "I am" not in happy
    assert sad.strip() == "sad" and note.strip() == "note" and wonderful.strip() == "wonderful morning"
    whole = Concept("part", ("I am",), ("I am sad",))
    assert texts("completion", whole)[0] and texts("completion", whole)[0] in "I am"
    with pytest.raises(UsageError, match="no pairs"):
        texts("completion", Concept("uneven", ("a", "b"), ("c",)))


def test_what_follows_a_marker_at_its_last_place() -> None:
    marked = Concept("marked", ("Answer: no. Answer: a wonderful note",), ("Answer: a note",))
    assert [text.strip() for text in texts("after:Answer:", marked)] == ["a wonderful note", "a note"]
    with pytest.raises(UsageError, match="positive text 1 does not hold 'zebra'"):
        texts("after:zebra", marked)
    with pytest.raises(UsageError, match="ends with"):
        texts("after:note", marked)


def test_completions_of_prompts_raw_and_as_answers() -> None:
    asked = Concept("asked", ("It is wonderful",), ("It is",), prompts=("How was the meeting?",))
    assert [text.strip() for text in texts("auto", asked)] == ["It is wonderful", "It is"]
    assert "How was the meeting? It is" in texts("mean", asked)[1]
    lm = chat_lm()
    found = prepare(lm, asked, Read("auto"))
    assert found.template == "chat" and found.read == Read("completion")
    assert lm.tokenizer.decode(found.positive[0].ids) == "<user>How was the meeting?</user><assistant>It is wonderful"
    assert texts("auto", asked, lm) == ["It is wonderful", "It is"]
    assert prepare(lm, asked, Read("auto"), "raw").template == "raw"


def test_a_system_pair_is_read_where_both_sides_are_the_same() -> None:
    kind = Concept("kind", ("How is it?", "Why?"), ("How is it?", "Why?"), system=("Be kind and happy", "Be sad"))
    lm = chat_lm()
    found = prepare(lm, kind, Read("auto"))
    assert lm.tokenizer.decode(found.negative[0].ids) == "<system>Be sad</system><user>How is it?</user><assistant>"
    above, below = (read_text(lm, side[0]) for side in (found.positive, found.negative))
    assert above == below and above.endswith("<user>How is it?</user><assistant>")
    assert "Be sad" in texts("mean", kind, lm)[2]
    with pytest.raises(UsageError, match="chat template"):
        prepare(shared_lm(), kind, Read("auto"))
    with pytest.raises(UsageError, match="chat template"):
        prepare(lm, kind, Read("auto"), "raw")


@pytest.mark.parametrize("template", [NO_SYSTEM, TURNS, RAISES])
def test_a_template_without_system_prompts_gets_it_before_the_message(template: str) -> None:
    found = chat_text(chat_lm(template).tokenizer, "How?", "Be kind")
    assert "Be kind\n\nHow?" in found and found.count("<user>") <= 1


def test_a_template_that_fails_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="template fails"):
        chat_text(chat_lm("{{ raise_exception('x') }}").tokenizer, "How?")


def test_plain_texts_go_through_the_template_where_that_is_asked() -> None:
    found = prepare(chat_lm(), MOODS, Read("mean"), "chat")
    assert chat_lm().tokenizer.decode(found.positive[0].ids) == "<user>I am so happy today</user><assistant>"
    with pytest.raises(UsageError, match="no template"):
        prepare(shared_lm(), MOODS, Read("mean"), "html")


def test_prompts_that_do_not_match_and_texts_too_long_are_refused() -> None:
    with pytest.raises(UsageError, match="1 prompts"):
        texts("mean", Concept("odd", ("a", "b"), ("c", "d"), prompts=("p",)))
    for concept, lm in ((Concept("long", ("x" * 2000,), ("y",)), None), (MOODS, chat_lm("z" * 2000))):
        options = {} if lm is None else {"template": "chat"}
        with pytest.raises(UsageError, match=r"positive text 1.*tokens, the model takes"):
            texts("mean", concept, lm, **options)


def test_the_tokens_that_are_read_can_be_shown() -> None:
    shown = tokens_read(shared_lm(), MOODS, parse_read("completion"), most=1)
    assert [(line.side, line.text) for line in shown] == [("positive", 1), ("negative", 1)]
    first = shown[0]
    assert "".join(token.text for token in first.tokens if token.is_read).strip() == "happy today"
    assert "I am" in "".join(token.text for token in first.tokens if not token.is_read)
    assert len(first.tokens) == len(prepare(shared_lm(), MOODS, Read("mean")).positive[0].ids)


@pytest.mark.parametrize("text", [*(spelling for spelling in READS if "TEXT" not in spelling), "last:4", "after:[/x]"])
def test_a_read_position_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_read(text)) == text
    assert parse_read(str(parse_read(text))) == parse_read(text)


@pytest.mark.parametrize("text", ["", "meen", "last:0", "last:99999", "after:", "after: ", "last:x", "first"])
def test_what_is_no_read_position_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_read(text)
    assert caught.value.hint


@given(st.text(max_size=30))
def test_any_text_is_a_read_position_or_refused(text: str) -> None:
    try:
        read = parse_read(text)
    except UsageError:
        return
    assert parse_read(str(read)) == read and "\n" not in read.words
