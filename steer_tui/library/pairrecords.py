"""Contrast pairs as records with named fields: JSON, one object per line or a list, and CSV with a head or two columns.

Promises clean texts within bounds, or one line that names the record. Knows the names that common data sets use.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from steer_tui.errors import UsageError
from steer_tui.library.pairtexts import PairTexts, check_count, from_sides
from steer_tui.text import clean, one_line, truncate

POSITIVE = ("positive", "pos", "chosen", "preferred", "answer_matching_behavior", "matching", "good")
NEGATIVE = (
    "negative",
    "neg",
    "rejected",
    "dispreferred",
    "answer_not_matching_behavior",
    "not_matching",
    "bad",
    "lose",
)
PROMPT = ("prompt", "question", "instruction", "input")
SIDES = (POSITIVE, NEGATIVE)

_DELIMITERS = ",;\t|"
_FIELDS = 'each needs "positive" and "negative"'


def from_json(text: str) -> PairTexts:
    """Return the pairs of JSON lines, of a list of objects or of two-element lists, or of one object with two lists.

    Raises:
        UsageError: It is not JSON, or a record lacks a side; the message names the line or record.
    """
    whole, problem = _loads(text)
    if problem is None:
        if isinstance(whole, dict) and any(isinstance(value, list) for value in whole.values()):
            return _from_lists(whole)
        records = [("record", number, record) for number, record in _numbered(whole)]
    else:
        records = [("line", number, _line(number, line)) for number, line in _lines(text)]
    return _from_records([(f"{what} {number}", record) for what, number, record in records], "json")


def from_csv(text: str) -> PairTexts:
    """Return the pairs of CSV with a head that names its columns, or of two columns without one.

    Raises:
        UsageError: There are other than two columns and no head, or a row lacks a side; the message names the row.
    """
    delimiter = _delimiter(text)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as error:
        raise UsageError(f"this is no CSV: {one_line(str(error))}", hint="quote texts that hold commas") from error
    if not rows:
        raise UsageError("there are no rows", hint="two columns, positive and negative")
    head = [_key(cell) for cell in rows[0]]
    if all(_named(head, names) is not None for names in SIDES):
        records = [dict(zip(head, row, strict=False)) for row in rows[1:]]
        return _from_records([(f"row {number}", record) for number, record in enumerate(records, 2)], "csv")
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise UsageError(
                f"row {number} has {len(row)} columns, not two", hint="name the columns positive and negative"
            )
    records = [{"positive": row[0], "negative": row[1]} for row in rows]
    return _from_records([(f"row {number}", record) for number, record in enumerate(records, 1)], "csv")


def has_csv_head(text: str) -> bool:
    """Say whether the first line names a positive and a negative column."""
    first = text.lstrip().split("\n", 1)[0]
    return any(
        all(_named([_key(cell) for cell in first.split(delimiter)], names) is not None for names in SIDES)
        for delimiter in _DELIMITERS[:-1]
    )


def _delimiter(text: str) -> str:
    """Return what divides the first line, a comma where nothing does."""
    first = text.lstrip("\n").split("\n", 1)[0]
    return max(_DELIMITERS, key=lambda mark: (first.count(mark), -_DELIMITERS.index(mark)))


def _loads(text: str) -> tuple[Any, str | None]:
    """Return (value, None), or (None, why not)."""
    try:
        return json.loads(text), None
    except (ValueError, RecursionError) as error:
        return None, one_line(str(error))[:120]


def _lines(text: str) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _line(number: int, line: str) -> Any:
    value, problem = _loads(line)
    if problem is not None:
        raise UsageError(f"line {number} is not valid JSON: {problem}", hint="one object on each line")
    return value


def _numbered(whole: Any) -> list[tuple[int, Any]]:
    if isinstance(whole, dict):
        return [(1, whole)]
    if not isinstance(whole, list) or not whole:
        raise UsageError("this JSON holds no pairs", hint=_FIELDS)
    if len(whole) == 2 and all(isinstance(part, str) for part in whole):
        return [(1, whole)]
    return list(enumerate(whole, 1))


def _from_lists(whole: Mapping[str, Any]) -> PairTexts:
    fields = {_key(name): value for name, value in whole.items()}
    sides = []
    for names in SIDES:
        found = _named(list(fields), names)
        side = fields[found] if found is not None else None
        if not isinstance(side, list) or not all(isinstance(text, str) for text in side):
            raise UsageError(f"this JSON has no list of texts called {names[0]!r}", hint=_FIELDS)
        sides.append(side)
    return from_sides(sides[0], sides[1], "json")


def _from_records(records: Sequence[tuple[str, Any]], kind: str) -> PairTexts:
    check_count(len(records))
    if not records:
        raise UsageError("there are no pairs", hint=_FIELDS)
    found = [_from_record(where, record) for where, record in records]
    prompts = tuple(prompt for _, _, prompt in found)
    if any(prompts) and not all(prompts):
        raise UsageError(f"{records[prompts.index('')][0]} has no prompt, others have one", hint="give all or none")
    return PairTexts(
        tuple(one for one, _, _ in found), tuple(other for _, other, _ in found), kind, prompts if all(prompts) else ()
    )


def _from_record(where: str, record: Any) -> tuple[str, str, str]:
    """Return (positive, negative, prompt), the prompt empty where there is none."""
    if isinstance(record, list) and len(record) == 2:
        record = {"positive": record[0], "negative": record[1]}
    if not isinstance(record, dict):
        raise UsageError(f"{where} is no pair: {_cut(record)}", hint=_FIELDS)
    fields = {_key(str(name)): value for name, value in record.items()}
    positive, negative = (_field(where, fields, names, True) for names in SIDES)
    return positive, negative, _field(where, fields, PROMPT, False)


def _field(where: str, fields: Mapping[str, Any], names: tuple[str, ...], is_needed: bool) -> str:
    found = _named(list(fields), names)
    value = fields[found] if found is not None else None
    if value is None and not is_needed:
        return ""
    if not isinstance(value, str):
        told = f"has no {names[0]!r}" if value is None else f"has a {found!r} that is not a text"
        raise UsageError(f"{where} {told}", hint=_FIELDS)
    text = clean(value).strip()
    if not text and is_needed:
        raise UsageError(f"{where} has a blank {found!r}", hint=_FIELDS)
    return text


def _named(fields: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in fields), None)


def _key(name: str) -> str:
    return one_line(name).lower().strip("\"' ").replace(" ", "_").replace("-", "_")


def _cut(value: Any) -> str:
    return truncate(one_line(json.dumps(value, ensure_ascii=False)), 40)
