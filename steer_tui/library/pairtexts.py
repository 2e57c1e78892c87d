"""What contrast examples look like once they are read, whatever they were written in.

Plain values, no files, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steer_tui.errors import UsageError
from steer_tui.library.concepts import MAX_TEXTS, Concept
from steer_tui.library.names import check_name
from steer_tui.text import clean, one_line

NEUTRAL_PROMPTS = (
    "How do I boil an egg?",
    "What did you do today?",
    "Tell me about your town.",
    "Explain how a bicycle works.",
    "What should I read next?",
    "Describe a walk by the river.",
    "How is tea made?",
    "What is a good plan for the weekend?",
    "Write a note to a colleague.",
    "Why is the sky blue?",
    "What happens at a railway station?",
    "Give me a tip for cleaning windows.",
    "How do people choose a name for a cat?",
    "What is in your kitchen?",
    "Tell me a short story about a garden.",
    "How long does bread take to bake?",
)
"""User messages that a pair of system prompts is read over: none of them asks for a mood or a style."""


@dataclass(frozen=True, slots=True)
class PairTexts:
    """Contrast examples as they were given; every text is cleaned and none is blank."""

    positive: tuple[str, ...]
    """Texts that show the concept; completions where there are `prompts`, user messages where there is a `system`."""
    negative: tuple[str, ...]
    """Texts that do not; as many as `positive` unless they came as two lists of their own."""
    kind: str
    """What they were written in: `toml`, `json`, `csv`, `lines`, `words`, `sentences` or `system`."""
    prompts: tuple[str, ...] = ()
    """What each pair answers, as many as there are pairs; empty where the texts stand alone."""
    system: tuple[str, str] | None = None
    """System prompts of the two sides, read over the same user messages; None where the texts differ themselves."""
    name: str = ""
    """As the file says; empty where it says nothing."""
    group: str = ""
    description: str = ""

    @property
    def pairs(self) -> int:
        """Contrast pairs; 0 where the two sides differ in number."""
        return len(self.positive) if len(self.positive) == len(self.negative) else 0

    def as_concept(self, name: str, *, group: str = "", description: str = "", path: Path = Path()) -> Concept:
        """Return the examples as a concept of the user's own, ready for `extract`.

        Raises:
            UsageError: The name cannot be a name.
        """
        return Concept(
            name=check_name(name),
            group=one_line(group) or self.group or "own",
            description=one_line(description) or self.description,
            positive=self.positive,
            negative=self.negative,
            test_prompts=(),
            words=(),
            path=path,
            bundled=False,
            prompts=self.prompts,
            system=self.system,
        )


def from_sides(positive: Sequence[str], negative: Sequence[str], kind: str = "sentences") -> PairTexts:
    """Return two lists of texts, cleaned, blank ones left out; they are pairs where there are as many on both sides.

    Raises:
        UsageError: A side has no text, or more than can be read.
    """
    sides = [tuple(text for text in (clean(text).strip() for text in side) if text) for side in (positive, negative)]
    for side, what in zip(sides, ("positive", "negative"), strict=True):
        if not side:
            raise UsageError(f"there is no {what} text", hint="three on each side are enough")
        check_count(len(side))
    return PairTexts(sides[0], sides[1], kind)


def system_pair(positive: str, negative: str, prompts: Sequence[str] = NEUTRAL_PROMPTS) -> PairTexts:
    """Return a pair of system prompts over neutral user messages, for models with a chat template.

    Raises:
        UsageError: A prompt is blank, both are the same, or there is no user message.
    """
    sides = clean(positive).strip(), clean(negative).strip()
    if not all(sides):
        raise UsageError("a system prompt is blank", hint="give one for each side")
    if sides[0] == sides[1]:
        raise UsageError("both system prompts are the same", hint="the vector is what differs between them")
    messages = from_sides(prompts, prompts, "system")
    return replace(messages, system=sides)


def check_count(count: int) -> None:
    """Refuse more texts on a side than are read."""
    if count > MAX_TEXTS:
        raise UsageError(f"{count} texts on a side are more than {MAX_TEXTS}", hint="take a part of them")
