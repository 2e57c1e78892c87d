"""A cell's figures from its finished texts: over all their tokens, with the spread over the texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, stdev

from steer_tui.demo.scoring import shows
from steer_tui.engine.measure import Reading, distinct_2, quantile
from steer_tui.engine.sweepbatch import Finished
from steer_tui.engine.sweeptypes import Cell, CellText, Problem

_CIRCLES_BELOW = 0.35
"""Share of distinct bigrams in the second half of a text below which it goes round in circles."""
_FEWEST_BIGRAMS = 8


def filled(cell: Cell, rows: Sequence[Finished], seeds: Sequence[int], words: Sequence[str] | None) -> Cell:
    """Return the cell with its texts and figures.

    Args:
        cell: What it is.
        rows: Its texts in order.
        seeds: The seed of every text.
        words: Words that show the concept, from which `share` is told; None where it cannot be.
    """
    texts = tuple(_text(row, seed) for row, seed in zip(rows, seeds, strict=True))
    readings = [row.reading for row in rows if row.reading is not None]
    kl = [value for reading in readings for value in reading.kl]
    concepts = {name: _place(readings, name) for name in rows[0].job.concepts}
    shown = None
    if words is not None:
        name = rows[0].job.concepts[0]
        shown = fmean(shows(name, words, row.text.text) for row in rows)
    return replace(
        cell,
        texts=texts,
        concept=_mean(list(concepts.values())) if readings else None,
        perplexity=_perplexity(readings),
        kl_mean=_finite(fmean(kl)) if kl else None,
        kl_p95=_finite(quantile(kl, 0.95)),
        distinct_2=_distinct([row.text.ids for row in rows]),
        relative_norm=_relative([row.added for row in rows]),
        share=shown,
        concepts=concepts,
        spread=_spread(texts),
        problem=_problem(rows),
    )


def goes_in_circles(ids: Sequence[int]) -> bool:
    """Say whether the second half of a text says the same over and over."""
    tail = ids[len(ids) // 2 :]
    share = distinct_2(tail)
    return share is not None and len(tail) > _FEWEST_BIGRAMS and share < _CIRCLES_BELOW


def _text(row: Finished, seed: int) -> CellText:
    reading, ids = row.reading, row.text.ids
    places = [reading.place(name) for name in row.job.concepts] if reading is not None else [None]
    return CellText(
        prompt=row.job.prompt,
        seed=seed,
        text=row.text.text,
        ids=ids,
        finish=row.text.finish,
        concept=_mean(places),
        perplexity=_finite(reading.perplexity) if reading is not None else None,
        kl_mean=_finite(reading.kl_mean) if reading is not None else None,
        distinct_2=distinct_2(ids),
    )


def _place(readings: Sequence[Reading], name: str) -> float | None:
    """Return the mean place of a concept over the tokens of all texts."""
    tokens = sum(reading.content_tokens for reading in readings)
    return _finite(sum(reading.place_sums.get(name, 0.0) for reading in readings) / tokens) if tokens else None


def _perplexity(readings: Sequence[Reading]) -> float | None:
    tokens, surprise = sum(reading.tokens for reading in readings), sum(reading.surprise for reading in readings)
    return Reading(tokens, surprise).perplexity


def _distinct(texts: Sequence[Sequence[int]]) -> float | None:
    bigrams = [list(pairwise(ids)) for ids in texts]
    count = sum(map(len, bigrams))
    return sum(len(set(each)) for each in bigrams) / count if count else None


def _relative(added: Sequence[tuple[float, int]]) -> float | None:
    count = sum(positions for _, positions in added)
    return _finite(sum(total for total, _ in added) / count) if count else 0.0


def _spread(texts: Sequence[CellText]) -> dict[str, float]:
    found: dict[str, float] = {}
    measures: dict[str, Callable[[CellText], float | None]] = {
        "concept": lambda text: text.concept,
        "perplexity": lambda text: text.perplexity,
        "kl_mean": lambda text: text.kl_mean,
        "distinct_2": lambda text: text.distinct_2,
    }
    for name, figure in measures.items():
        values = [value for text in texts if (value := figure(text)) is not None and math.isfinite(value)]
        if len(values) > 1:
            found[name] = stdev(values)
    return found


def _problem(rows: Sequence[Finished]) -> Problem | None:
    """Return what is wrong with at least half of the texts; a number that is none counts once."""
    if any(row.is_broken for row in rows):
        return "nan"
    if all(not row.text.text.strip() for row in rows):
        return "empty"
    circles = sum(goes_in_circles(row.text.ids) for row in rows)
    return "repeats" if 2 * circles >= len(rows) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
