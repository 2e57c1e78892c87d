"""Runs and sweeps of the journal as one list, newest first, a page at a time.

A filter is words that must all occur, in upper or lower case, and any of `is:run`, `is:sweep`, `is:starred`, `seed:7`,
`on:2026-05-31`. Every method raises `sqlite3.Error` where the file cannot be used.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from steer_tui.session.records import RunEntry
from steer_tui.session.sweep_records import SweepEntry
from steer_tui.text import clean

HistoryEntry = RunEntry | SweepEntry

_HOOKS = "COALESCE(json_extract(request, '$.hooks'), '')"
RUN_TEXT = ("prompt", "recipe", "steered", "model_ref", "note", _HOOKS)
"""What of a run a filter looks into."""
SWEEP_TEXT = ("prompts", "concept", "best", "model_ref", "note")
RUN_FACTS = {"seed:": "json_extract(request, '$.sampling.seed')", "on:": "created"}
"""What a word with such a beginning is compared with, and with nothing else."""
SWEEP_FACTS = {"seed:": "json_extract(request, '$.seeds[0]')", "on:": "created"}
WORDS = ("is:run", "is:sweep", "is:starred")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some entries of the list."""

    entries: tuple[HistoryEntry, ...]
    offset: int
    """How many newer ones there are."""
    total: int
    """How many there are in all."""


class HistoryRows:
    """Reads the list; what an entry is made of is asked of those who keep it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        runs: Callable[[list[int]], dict[int, RunEntry]],
        sweeps: Callable[[list[int]], dict[int, SweepEntry]],
    ) -> None:
        self._connection = connection
        self._entries: dict[str, Callable[[list[int]], dict[int, RunEntry] | dict[int, SweepEntry]]] = {
            "run": runs,
            "sweep": sweeps,
        }

    def page(self, filter: str = "", limit: int = 100, offset: int = 0) -> HistoryPage:
        """Return entries that a filter lets through, newest first."""
        query, values = _union(filter)
        total = self._connection.execute(f"SELECT count(*) FROM ({query})", values).fetchone()[0]
        found = self._connection.execute(
            f"{query} ORDER BY created DESC, kind, id DESC LIMIT :limit OFFSET :offset",
            {**values, "limit": limit, "offset": offset},
        ).fetchall()
        known = {
            kind: entries([id for name, id, _ in found if name == kind]) for kind, entries in self._entries.items()
        }
        entries = tuple(known[kind][id] for kind, id, _ in found if id in known[kind])
        return HistoryPage(entries, offset, total)


def _union(filter: str) -> tuple[str, dict[str, str]]:
    """Return the query for kind, id and age of all entries that a filter lets through, and its values."""
    words = clean(filter).split()
    kinds = {word.lower() for word in words} & set(WORDS)
    texts = [word for word in words if word.lower() not in WORDS]
    values: dict[str, str] = {}
    parts = []
    for kind, table, columns, facts in (
        ("run", "runs", RUN_TEXT, RUN_FACTS),
        ("sweep", "sweeps", SWEEP_TEXT, SWEEP_FACTS),
    ):
        conditions = [_says(word, f"word{index}", columns, facts, values) for index, word in enumerate(texts)]
        conditions += ["starred"] if "is:starred" in kinds else []
        if kinds & {"is:run", "is:sweep"} and f"is:{kind}" not in kinds:
            conditions.append("0")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        parts.append(f"SELECT '{kind}' AS kind, id, created FROM {table}{where}")
    return " UNION ALL ".join(parts), values


def _says(word: str, name: str, columns: tuple[str, ...], facts: dict[str, str], values: dict[str, str]) -> str:
    """Return the condition that an entry says a word, whose pattern goes to `values` under `name`."""
    for start, fact in facts.items():
        if word.lower().startswith(start) and word[len(start) :]:
            rest = _literally(word[len(start) :])
            values[name] = rest if start == "seed:" else f"{rest}%"
            return rf"{fact} LIKE :{name} ESCAPE '\'"
    values[name] = f"%{_literally(word)}%"
    return "(" + " OR ".join(rf"{column} LIKE :{name} ESCAPE '\'" for column in columns) + ")"


def _literally(text: str) -> str:
    """Return a text that LIKE takes at its word."""
    return re.sub(r"([\\%_])", r"\\\1", text)
