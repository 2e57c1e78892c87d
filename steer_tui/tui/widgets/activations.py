"""The Activations pane: what each block's output is at the newest token, and what a finished run measured."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.geometry import Region
from textual.timer import Timer

from steer_tui.engine.types import Measures, Step
from steer_tui.tui.history import KEPT, ActivationHistory
from steer_tui.tui.numbers import MISSING, change_paint, percent, plain, signed, spark
from steer_tui.tui.safe import fit, fit_right, label
from steer_tui.tui.widgets.pane import Pane, Part

WIDE = 50
"""From this many cells on, mean and standard deviation have columns too."""
LEAST_SPARK = 6


class Activations(Pane):
    """One row per layer, the measures below."""

    TITLE = "Activations"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.history = ActivationHistory()
        self.concept = ""
        """Whose places are shown; empty shows norms alone."""
        self.steered_layers: frozenset[int] = frozenset()
        self._measures: Measures | None = None
        self._bounds = (0.0, 1.0)
        self.pause = 0.1
        """Seconds between two drawings while text streams: nobody reads numbers faster, and over SSH they are bytes."""
        self._drawn = 0.0
        self._timer: Timer | None = None

    @property
    def head_count(self) -> int:  # type: ignore[override]
        """The names of the columns, where there are any."""
        return 1 if self.history.newest else 0

    @property
    def foot_count(self) -> int:  # type: ignore[override]
        """The measures, where there are any."""
        return self.head_count

    # What is shown

    def start(self) -> None:
        """Begin a run: forget the one before."""
        self.history = ActivationHistory()
        self._measures = None
        self.say("")
        self.refresh()

    def push(self, steps: tuple[Step, ...]) -> None:
        """Take in the steps of a run, oldest first."""
        for step in steps:
            self.history.push(step)
        self._bounds = self.history.bounds(self._shown)
        self._draw_soon()

    def _draw_soon(self) -> None:
        """Draw now, or when the pause since the last drawing is over."""
        left = self._drawn + self.pause - time.monotonic()
        if left <= 0:
            self._draw_now()
        elif self._timer is None:
            self._timer = self.set_timer(left, self._draw_now)

    def _draw_now(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._drawn = time.monotonic()
        if not self.history.is_finished:
            self.say("newest token" if self.history.newest else "")
        self.refresh(Region(0, 0, *self.size))

    def finish(self, measures: Measures | None) -> None:
        """Show what the whole run measured, and means over it."""
        self._measures = measures
        self.history.finish()
        self.say(f"mean of {self.history.count} tokens" if self.history.is_finished else "")
        self.refresh()

    def choose(self, concept: str, layers: frozenset[int]) -> None:
        """Show the places of a concept and mark the layers that are steered."""
        if (concept, layers) != (self.concept, self.steered_layers):
            self.concept, self.steered_layers = concept, layers
            self._bounds = self.history.bounds(self._shown)
            self.refresh()

    @property
    def _shown(self) -> str:
        """The concept whose places there are: the chosen one, else any."""
        newest = self.history.newest
        if newest is None or self.concept in newest.places:
            return self.concept
        return next(iter(newest.places), "")

    # Lines

    def line_total(self) -> int:
        """Return the number of layers."""
        newest = self.history.newest
        return len(newest.layers) if newest else 1

    def head_line(self, index: int, width: int) -> list[Part]:
        """Return the names of the columns."""
        if self.history.newest is None:
            return []
        concept = label(self._shown)
        names = [
            "layer",
            "mean",
            "std",
            "norm",
            concept,
            f"{self.glyphs.delta} base" if width < WIDE + 20 else f"{self.glyphs.delta} baseline",
        ]
        cells = [
            fit_right(name, size, self.glyphs.ellipsis)
            for name, size in zip(names, self._sizes(width), strict=True)
            if size
        ]
        room = width - sum(self._sizes(width)) - 2
        what = f"last {min(room, KEPT)} tokens" if room >= 14 else "tokens"
        return [("".join(cells), "group"), ("  " + fit(what, room) if room >= LEAST_SPARK else "", "group")]

    def _sizes(self, width: int) -> list[int]:
        """Return the widths of the columns before the sparkline; 0 leaves one out."""
        if width < WIDE:
            return [5, 0, 0, 7, 8 if self._shown else 0, 7]
        roomy = width >= WIDE + 20
        return [7, 8, 7, 8, (11 if roomy else 8) if self._shown else 0, 12 if roomy else 7]

    def line(self, index: int, width: int) -> list[Part]:
        """Return a layer's row."""
        newest = self.history.newest
        if newest is None:
            return [(fit(self.empty_note, width, self.glyphs.ellipsis), "muted")]
        layer, concept, sizes = newest.layers[index], self._shown, self._sizes(width)
        touched = layer in self.steered_layers
        place, shift = self.history.place(concept, index), self.history.shift(concept, index)
        cells: list[Part] = [
            (
                f"{self.glyphs.steered if touched else ' '}{fit_right(str(layer), sizes[0] - 1)}",
                "on" if touched else "",
            ),
            (fit_right(signed(newest.mean[index], 3), sizes[1]), "muted"),
            (fit_right(plain(newest.std[index]), sizes[2]), "muted"),
            (fit_right(plain(newest.norm[index], 1), sizes[3]), ""),
            (fit_right(signed(place), sizes[4]), change_paint(place)),
            (fit_right(signed(shift), sizes[5]), change_paint(shift)),
        ]
        room = width - sum(sizes) - 2
        if room >= LEAST_SPARK:
            cells.append(("  " + self._spark(concept, index, min(room, KEPT)), "spark" if not touched else "on"))
        return [(text, paint) for text, paint in cells if text]

    def _spark(self, concept: str, index: int, count: int) -> str:
        values = self.history.series(concept, index, count)
        if not concept:
            known = [value for value in values if value == value]
            return spark(values, min(known, default=0), max(known, default=1), self.glyphs)
        return spark(values, *self._bounds, self.glyphs)

    def foot_line(self, index: int, width: int) -> list[Part]:
        """Return the measures of the run, as many as fit."""
        parts: list[Part] = []
        room = width
        for name, value in self._facts():
            needed = len(name) + len(value) + 1 + (3 if parts else 1)
            if needed > room:
                break
            parts += [("   " if parts else " ", ""), (f"{name} ", "muted"), (value, "strong")]
            room -= needed
        return parts

    def _facts(self) -> list[tuple[str, str]]:
        """Return the measures, most telling first."""
        facts: list[tuple[str, str]] = []
        added = self.history.added
        measures = self._measures
        if measures is not None:
            name = self._shown if self._shown in measures.concepts else next(iter(measures.concepts), "")
            if name:
                facts.append((label(name), _pair(measures.concepts[name], signed)))
            facts.append(("perplexity", _pair(measures.perplexity, lambda value: plain(value, 1))))
            if measures.kl_mean is not None:
                facts.append(("KL", f"{plain(measures.kl_mean)} nats"))
        if added == added:
            facts.append(("added", f"{percent(added)} of norm"))
        return facts


def _pair(values: tuple[float | None, float | None], show: Callable[[float], str]) -> str:
    """Return `steered / baseline`, or the one there is."""
    steered, baseline = (MISSING if value is None else show(value) for value in values)
    return steered if values[1] is None else f"{steered} / {baseline}"
