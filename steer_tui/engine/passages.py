"""Examples as token ids, and which of their tokens are read.

Promises at least one token to read in every text, and never one that the tokenizer put in front. Knows nothing of
hooks or vectors.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from steer_tui.engine.chat import chat_ids, chat_text
from steer_tui.engine.extractchoices import TEMPLATES, Read, unknown
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.oddpairs import Sides
from steer_tui.engine.prompt import has_chat_template
from steer_tui.engine.reading import first_own
from steer_tui.errors import UsageError
from steer_tui.text import one_line, truncate


class Pairs(Sides, Protocol):
    """What extraction needs of a concept; it may also have `prompts` and `system`, see `library.concepts.Concept`."""

    @property
    def name(self) -> str:
        """Name of the vector."""

    @property
    def group(self) -> str:
        """Group it is listed in."""

    @property
    def description(self) -> str:
        """One line."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text as ids, of which those from `start` up to `end` are read: one at least."""

    ids: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Examples:
    """A concept's examples, ready to be read."""

    concept: Pairs
    positive: tuple[Passage, ...]
    negative: tuple[Passage, ...]
    read: Read
    """Never `auto`."""
    template: str
    """`raw` or `chat`."""

    @property
    def are_pairs(self) -> bool:
        """Whether the two sides have as many texts."""
        return len(self.positive) == len(self.negative)


@dataclass(frozen=True)
class _Encoded:
    """A text as ids with the places that reading goes by."""

    ids: list[int]
    own: int
    """First token that the tokenizer did not put in front."""
    answer: int
    """First token after the prompt; `own` where there is none."""


def prepare(lm: LanguageModel, concept: Pairs, read: Read, template: str = "auto") -> Examples:
    """Return a concept's examples as ids with what is read of each.

    Args:
        lm: The model.
        concept: Texts on both sides, one at least.
        read: Which tokens.
        template: One of `TEMPLATES`.

    Raises:
        UsageError: Texts are missing or too long, a marker is not in a text, or the texts are no pairs where pairs are
            needed; the message names the concept and the text.
        ModelError: The chat template fails.
    """
    if not concept.positive or not concept.negative:
        raise UsageError(f"concept {concept.name!r} needs texts on both sides", hint="three pairs are enough")
    if template not in TEMPLATES:
        raise unknown("template", template, TEMPLATES)
    prompts, system = prompts_of(concept), system_of(concept)
    if prompts and not len(prompts) == len(concept.positive) == len(concept.negative):
        raise UsageError(f"concept {concept.name!r} has {len(prompts)} prompts, not one for each pair")
    is_chat = _is_chat(lm, template, bool(prompts), system is not None)
    if read.kind == "auto":
        read = Read("completion" if prompts or system else "mean")
    sides = [
        [
            _encode(lm, concept, side, place, is_chat, prompts, system[side] if system else None)
            for place in range(len(texts))
        ]
        for side, texts in enumerate((concept.positive, concept.negative))
    ]
    spans = _spans(lm, concept, sides, read, by_prompt=bool(prompts), by_system=system is not None)
    passages = [
        tuple(Passage(tuple(one.ids), *span) for one, span in zip(side, found, strict=True))
        for side, found in zip(sides, spans, strict=True)
    ]
    return Examples(concept, passages[0], passages[1], read, "chat" if is_chat else "raw")


def _is_chat(lm: LanguageModel, template: str, has_prompts: bool, has_system: bool) -> bool:
    """Say whether the texts go through the chat template."""
    if has_system and template == "raw":
        raise UsageError("system prompts are read through the chat template", hint="leave the template at auto or chat")
    can = has_chat_template(lm.tokenizer)
    return template == "chat" or (template == "auto" and (has_system or (has_prompts and can)))


def prompts_of(concept: Pairs) -> Sequence[str]:
    """Return what each pair answers; nothing where the texts stand alone."""
    return getattr(concept, "prompts", ())


def system_of(concept: Pairs) -> tuple[str, str] | None:
    """Return the two sides' system prompts, None where there are none."""
    return getattr(concept, "system", None)


def _encode(
    lm: LanguageModel,
    concept: Pairs,
    side: int,
    place: int,
    is_chat: bool,
    prompts: Sequence[str],
    system: str | None,
) -> _Encoded:
    text = (concept.positive, concept.negative)[side][place]
    try:
        if is_chat:
            # A system prompt is read over a user message; a completion is the answer to one.
            head = chat_text(lm.tokenizer, prompts[place] if prompts else text, system)
            ids, before = chat_ids(lm.tokenizer, head + text if prompts else head), chat_ids(lm.tokenizer, head)
            if lm.info.context and len(ids) > lm.info.context:
                raise UsageError(f"it has {len(ids)} tokens, the model takes {lm.info.context}", hint="shorten it")
        else:
            ids = lm.encode(_joined(prompts[place], text) if prompts else text, raw=True)
            before = lm.encode(prompts[place], raw=True) if prompts else []
    except UsageError as error:
        raise UsageError(f"{_which(concept, side, place)}: {error.message}", hint=error.hint) from error
    own = first_own(lm, ids)
    answer = max(own, min(_common(ids, before), len(ids) - 1)) if prompts else own
    return _Encoded(ids, own, answer)


def _joined(prompt: str, text: str) -> str:
    return prompt + text if prompt[-1:].isspace() or text[:1].isspace() else f"{prompt} {text}"


def _spans(
    lm: LanguageModel,
    concept: Pairs,
    sides: Sequence[Sequence[_Encoded]],
    read: Read,
    *,
    by_prompt: bool,
    by_system: bool,
) -> list[list[tuple[int, int]]]:
    """Return (start, end) of what is read of each text of both sides."""
    if read.kind == "completion" and not by_prompt:
        if len(sides[0]) != len(sides[1]):
            raise UsageError(
                f"concept {concept.name!r} has no pairs: a completion is what follows the words a pair shares",
                hint="give as many texts on both sides, or read the mean",
            )
        return _after_shared(sides, by_system)
    found = []
    for side, texts in enumerate(sides):
        spans = []
        for place, one in enumerate(texts):
            end = len(one.ids)
            if read.kind == "after":
                start = _after(lm, one, read.marker, _which(concept, side, place))
            else:
                start = {"completion": one.answer, "last": max(one.own, end - read.count)}.get(read.kind, one.own)
            spans.append((start, end))
        found.append(spans)
    return found


def _after_shared(sides: Sequence[Sequence[_Encoded]], by_system: bool) -> list[list[tuple[int, int]]]:
    """Return what follows the tokens both texts of a pair begin with; after system prompts, all that they share."""
    found: list[list[tuple[int, int]]] = [[], []]
    for pair in zip(*sides, strict=True):
        ids = [one.ids for one in pair]
        shared = _common(ids[0][::-1], ids[1][::-1]) if by_system else _common(*ids)
        for side, one in enumerate(pair):
            count = len(one.ids)
            start = count - max(shared, 1) if by_system else min(shared, count - 1)
            found[side].append((max(one.own, start), count))
    return found


def _after(lm: LanguageModel, one: _Encoded, marker: str, which: str) -> int:
    """Return the first token after the last place where a text holds a marker."""
    decode = lm.tokenizer.decode
    whole = decode(one.ids)
    times = whole.count(marker)
    if times == 0:
        raise UsageError(f"{which} does not hold {truncate(one_line(marker), 40)!r}", hint="read after another text")
    start = bisect.bisect_left(range(len(one.ids)), times, key=lambda place: decode(one.ids[: place + 1]).count(marker))
    if start + 1 >= len(one.ids):
        raise UsageError(f"{which} ends with {truncate(one_line(marker), 40)!r}", hint="read the last token instead")
    return max(one.own, start + 1)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many ids two rows begin with alike."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _which(concept: Pairs, side: int, place: int) -> str:
    return f"concept {concept.name!r}, {('positive', 'negative')[side]} text {place + 1}"
