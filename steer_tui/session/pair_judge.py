"""What a person's examples amount to while they are being typed: how many pairs, and what is wrong with the rest.

Promises that no text raises. A text may also name files, which are then read: call it off the screen's thread for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from steer_tui.errors import UsageError
from steer_tui.files import expanded
from steer_tui.library.pairfiles import FORMS, read_pair_file, read_pairs, read_sentence_files
from steer_tui.library.pairtexts import PairTexts

ENOUGH = 3
"""Pairs from which on a vector is worth making."""
PLENTY = 10
"""Pairs from which on the diagnostics mean something."""

_ENDING = r"\.(?:toml|jsonl|ndjson|json|csv|tsv|txt)"
_PATH = re.compile(rf"(?:[~.]{{0,2}}[/\\]|[a-zA-Z]:\\)[^|\n]*|[^|\n{{\[]*{_ENDING}", re.IGNORECASE)
_FORMS = {"toml": "TOML", "json": "JSON", "csv": "CSV", "words": "two words", "system": "system prompts"}


@dataclass(frozen=True, slots=True)
class Judged:
    """What examples amount to."""

    pairs: PairTexts | None
    """All of them, ready for extraction; None where something is wrong."""
    words: str
    """What there is: `3 pairs`, `48 pairs, CSV`."""
    problem: str = ""
    """What is wrong, in one line; empty where nothing is."""
    hint: str = ""


def files_named(text: str) -> tuple[Path, ...]:
    """Return the file that a text names instead of holding examples itself, or the two of `positive | negative`.

    Empty where it does not look like it. In each of two files every line is a text.
    """
    parts = [part.strip().strip("'\"") for part in text.split("|")]
    if len(parts) > 2 or not all(part and _PATH.fullmatch(part) for part in parts):
        return ()
    return tuple(expanded(part) for part in parts)


def judge(text: str) -> Judged:
    """Return what a text amounts to."""
    paths = files_named(text)
    try:
        pairs = _read(text, paths)
    except UsageError as error:
        if not text.strip():
            return Judged(None, "no pairs yet", hint=FORMS)
        good = 0 if paths else _good_lines(text)
        return Judged(None, counted(good, "pair") if good else "no pairs yet", error.message, error.hint or "")
    return Judged(pairs, _amount(pairs, paths), hint=_advice(pairs))


def _read(text: str, paths: tuple[Path, ...]) -> PairTexts:
    if len(paths) == 2:
        return read_sentence_files(*paths)
    return read_pair_file(paths[0]) if paths else read_pairs(text)


def counted(count: int, what: str) -> str:
    """Return a number of things, such as `3 pairs`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _amount(pairs: PairTexts, paths: tuple[Path, ...]) -> str:
    if pairs.pairs:
        amount = counted(pairs.pairs, "pair")
    else:
        amount = f"{len(pairs.positive)} positive and {counted(len(pairs.negative), 'negative text')}, not in pairs"
    form = _FORMS.get(pairs.kind, "")
    origin = f"from {' and '.join(path.name for path in paths)}" if paths else ""
    said = [amount, form if form and form != "two words" else "", origin]
    return ", ".join(part for part in said if part)


def _advice(pairs: PairTexts) -> str:
    least = min(len(pairs.positive), len(pairs.negative))
    if pairs.kind == "words" and least < ENOUGH:
        return "words alone point roughly; sentences that differ in this one thing point better"
    if least < ENOUGH:
        return f"{ENOUGH - least} more for a first try"
    return "" if least >= PLENTY else "enough for a first try; ten or more are steadier"


def _good_lines(text: str) -> int:
    """Return how many lines are a pair by themselves."""
    good = 0
    for line in text.splitlines():
        try:
            good += "|" in line and bool(read_pairs(line, "lines").pairs)
        except UsageError:
            continue
    return good
