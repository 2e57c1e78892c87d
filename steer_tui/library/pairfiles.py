"""Contrast examples as people write them: TOML, JSON lines, CSV, `positive | negative` lines, two words, two files.

Promises clean texts within bounds, or one line that says what is wrong and where. Knows nothing of models or tensors.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from steer_tui.errors import LibraryError, SteerError, UsageError
from steer_tui.library.concepts import parse_concept
from steer_tui.library.pairrecords import from_csv, from_json, has_csv_head
from steer_tui.library.pairtexts import NEUTRAL_PROMPTS, PairTexts, check_count, from_sides, system_pair
from steer_tui.text import clean, one_line, truncate

KINDS = ("toml", "json", "csv", "lines", "words", "system")
"""What pairs are written in; `json` is one object per line, or a list of them; `system` a pair of system prompts."""
FORMS = "write `positive | negative` on each line, or paste TOML, JSON lines or CSV"
SYSTEM_FORM = "such as `system: Be kind. | Be rude.`"
MAX_FILE = 16 << 20

_ENDINGS = {".toml": "toml", ".jsonl": "json", ".ndjson": "json", ".json": "json", ".csv": "csv", ".tsv": "csv"}
_TOML_ENTRY = re.compile(r"^[ \t]*(?:positive|negative|system|prompts|name)[ \t]*=", re.MULTILINE)
_DASH = re.compile(r"\s+(?:[-\u2013\u2014\u2212]|vs\.?|versus)\s+", re.IGNORECASE)
_SYSTEM = re.compile(r"^\s*system\s*:", re.IGNORECASE)
_BAR = "|"


def read_pairs(text: str, kind: str | None = None) -> PairTexts:
    """Return the examples in a text, such as one that was pasted.

    Args:
        text: Anything.
        kind: One of `KINDS`; None finds out.

    Raises:
        UsageError: It holds no pairs, or is none of the kinds; the message names the line or entry.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"pairs are not written as {kind!r}", hint=f"kinds: {', '.join(KINDS)}")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not clean(text).strip():
        raise UsageError("there are no pairs", hint=FORMS)
    chosen = kind or _kind_of(text)
    readers = {"toml": _from_toml, "json": from_json, "csv": from_csv}
    readers |= {"lines": _from_lines, "words": _from_words, "system": _from_system}
    return readers[chosen](text)


def read_pair_file(path: Path) -> PairTexts:
    """Return the examples in a file; its ending says what they are written in, else its content does.

    Raises:
        UsageError: It cannot be read, is too large or no text, or holds no pairs.
    """
    text = read_text_file(path)
    try:
        return read_pairs(text, _ENDINGS.get(path.suffix.lower()))
    except UsageError as error:
        raise UsageError(f"{_shown(path)}: {error.message}", hint=error.hint) from error


def read_sentence_files(positive: Path, negative: Path) -> PairTexts:
    """Return the texts of two files, one per line; they are pairs where there are as many in both.

    Raises:
        UsageError: A file cannot be read, is too large or no text, or is blank.
    """
    sides = []
    for path in (positive, negative):
        texts = [line for line in clean(read_text_file(path)).splitlines() if line.strip()]
        if not texts:
            raise UsageError(f"{_shown(path)} holds no text", hint="one text per line")
        sides.append(texts)
    return from_sides(sides[0], sides[1])


def read_text_file(path: Path) -> str:
    """Return a text file's content; UTF-8, or UTF-16 with a byte order mark.

    Raises:
        UsageError: It cannot be read, is no regular file, too large or no text.
    """
    try:
        # O_NONBLOCK: a pipe with this name would otherwise be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{_shown(path)} is not a regular file", hint="give a text file")
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(str(error))
        raise UsageError(f"cannot read {_shown(path)}: {reason}", hint="give a text file") from error
    if len(data) > MAX_FILE:
        raise UsageError(f"{_shown(path)} is larger than {MAX_FILE >> 20} MiB", hint="take a part of it")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{_shown(path)} is not UTF-8 text, at byte {error.start}", hint="save it as UTF-8 text"
        ) from error


def _kind_of(text: str) -> str:
    """Return what a text is written in.

    Raises:
        UsageError: It is like none of the kinds.
    """
    begin = text.lstrip()[:1]
    if begin == "{" or (begin == "[" and not re.match(r"\s*\[+\w+\]+\s*$", text.lstrip().split("\n", 1)[0])):
        return "json"
    if _TOML_ENTRY.search(text):
        return "toml"
    lines = [line for _, line in _content(text)]
    if has_csv_head(text):
        return "csv"
    if lines and _SYSTEM.match(lines[0]) and not any(_BAR in line for line in lines[1:]):
        return "system"
    if lines and _BAR in lines[0]:
        return "lines"
    if lines and all(_DASH.search(line) for line in lines):
        return "words"
    if lines and all(line.count("\t") == 1 for line in lines):
        return "csv"
    raise UsageError(f"{_cut(lines[0]) if lines else 'this'} is no pair", hint=FORMS)


def _from_toml(text: str) -> PairTexts:
    try:
        # A list of examples needs no name; one that is given is checked where it is used.
        named = text if re.search(r"^[ \t]*name[ \t]*=", text, re.MULTILINE) else f'name = "unnamed"\n{text}'
        found = parse_concept(named, Path())
    except LibraryError as error:
        raise UsageError(f"the text {error.message}", hint="see a built-in concept for the form") from error
    except SteerError as error:
        raise UsageError(error.message, hint=error.hint) from error
    return PairTexts(
        found.positive,
        found.negative,
        "toml",
        found.prompts,
        found.system,
        found.name if named == text else "",
        "" if found.group == "other" else found.group,
        found.description,
    )


def _from_lines(text: str) -> PairTexts:
    pairs = []
    for number, line in _content(text):
        parts = [part.strip() for part in line.split(_BAR)]
        if len(parts) != 2 or not all(parts):
            told = "no `|`" if len(parts) == 1 else f"{len(parts)} parts" if len(parts) > 2 else "a blank side"
            raise UsageError(f"line {number} has {told}: {_cut(line)}", hint="one `positive | negative` on each line")
        pairs.append((parts[0], parts[1]))
    heads = {("positive", "negative"), ("pos", "neg")}
    if len(pairs) > 1 and (pairs[0][0].lower(), pairs[0][1].lower()) in heads:
        pairs = pairs[1:]
    return _from_pairs(pairs, "lines")


def _from_words(text: str) -> PairTexts:
    pairs = []
    for number, line in _content(text):
        parts = [part.strip() for part in _DASH.split(line)]
        if len(parts) != 2 or not all(parts):
            raise UsageError(f"line {number} is no pair of words: {_cut(line)}", hint="such as `Love - Hate`")
        pairs.append((parts[0], parts[1]))
    return _from_pairs(pairs, "words")


def _from_system(text: str) -> PairTexts:
    """Read `system: positive | negative`; lines below, where there are any, are the user messages it stands over."""
    (number, first), *rest = _content(text) or [(1, "")]
    sides = [_SYSTEM.sub("", part, count=1).strip() for part in first.split(_BAR)]
    if len(sides) != 2:
        raise UsageError(f"line {number} is no pair of system prompts: {_cut(first)}", hint=SYSTEM_FORM)
    return system_pair(sides[0], sides[1], [line for _, line in rest] or NEUTRAL_PROMPTS)


def _from_pairs(pairs: list[tuple[str, str]], kind: str) -> PairTexts:
    if not pairs:
        raise UsageError("there are no pairs", hint=FORMS)
    check_count(len(pairs))
    return PairTexts(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs), kind)


def _content(text: str) -> list[tuple[int, str]]:
    """Return the lines that say something, cleaned, with their 1-based numbers; `#` begins a comment."""
    lines = ((number, clean(line).strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _cut(line: str) -> str:
    return repr(truncate(one_line(line), 40))


def _shown(path: Path) -> str:
    return one_line(str(path))
