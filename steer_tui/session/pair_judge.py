"""What a person's examples amount to while they are being typed: how many pairs, and what is wrong with the rest.

Promises that no text raises. A text may also name a file, which is then read: call it off the screen's thread for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from steer_tui.errors import UsageError
from steer_tui.library.pairfiles import FORMS, read_pair_file, read_pairs
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


def file_named(text: str) -> Path | None:
    """Return the file that a text names instead of holding examples itself; None where it does not look like it."""
    text = text.strip().strip("'\"")
    return Path(text).expanduser() if text and _PATH.fullmatch(text) else None


def judge(text: str) -> Judged:
    """Return what a text amounts to."""
    path = file_named(text)
    try:
        pairs = read_pair_file(path) if path else read_pairs(text)
    except UsageError as error:
        if not text.strip():
            return Judged(None, "no pairs yet", hint=FORMS)
        good = 0 if path else _good_lines(text)
        return Judged(None, counted(good, "pair") if good else "no pairs yet", error.message, error.hint or "")
    return Judged(pairs, _amount(pairs, path), hint=_advice(pairs))


def counted(count: int, what: str) -> str:
    """Return a number of things, such as `3 pairs`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _amount(pairs: PairTexts, path: Path | None) -> str:
    if pairs.pairs:
        amount = counted(pairs.pairs, "pair")
    else:
        amount = f"{len(pairs.positive)} positive and {counted(len(pairs.negative), 'negative text')}, not in pairs"
    form = _FORMS.get(pairs.kind, "")
    said = [amount, form if form and form != "two words" else "", f"from {path.name}" if path else ""]
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
