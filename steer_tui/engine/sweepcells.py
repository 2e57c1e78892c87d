"""A sweep's cells before they are run: which terms, which prompts, in which order. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from steer_tui.engine.generate import check_sampling
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.recipe import Layers, Recipe, Term, format_layers, parse_recipe, require_names
from steer_tui.engine.resolve import ActiveTerm, first_best, require_fit, resolve
from steer_tui.engine.sweeprequest import MOST_CELLS, Point, SweepRequest, spread_layers
from steer_tui.engine.sweeptypes import Cell, Kind
from steer_tui.engine.sweepvectors import Example, can_shuffle, random_vector, shuffled_vector
from steer_tui.engine.types import Request, Sampling
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import UsageError

Vectors = Mapping[str, SteeringVector]
Examples = Mapping[str, Example]


@dataclass(frozen=True)
class Planned:
    """One cell to run: what it will be, without texts and figures, and the terms that steer it."""

    cell: Cell
    terms: tuple[ActiveTerm, ...]
    instruction: str = ""
    """Stands before every prompt of the prompt-only control."""


@dataclass(frozen=True)
class Job:
    """One text of one cell: a row of a batch."""

    key: str
    place: int
    """Which of the cell's texts."""
    prompt: int
    ids: tuple[int, ...]
    """What is continued."""
    read_after: tuple[int, ...]
    """The prompt after which the unsteered model re-reads the text: the plain one."""
    terms: tuple[ActiveTerm, ...]
    sampling: Sampling
    concepts: tuple[str, ...]
    """Concepts that the text is measured by."""


@dataclass(frozen=True)
class Planner:
    """Turns one request into cells and rows for one model."""

    lm: LanguageModel
    request: SweepRequest
    vectors: Vectors
    examples: Examples
    chosen: tuple[Point, ...] | None = None
    """Cells to run instead of the request's own."""

    def points(self) -> tuple[Point, ...]:
        """Return the cells of the grid."""
        return self.request.points(self.lm.info.layers) if self.chosen is None else self.chosen

    def point(self, name: str, layers: Layers, strength: float) -> Point:
        """Return a cell of the request's operation and scope."""
        term = Term(name, strength, layers, self.request.op, self.request.scope)
        return Point(name, str(Recipe((term,))), format_layers(layers), (strength,))

    def keys(self, name: str) -> list[str]:
        """Return the keys of a concept's baseline, cells and controls, in order, without making any vector."""
        own = [f"=baseline {name}", *(point.recipe for point in self.points() if point.concept == name)]
        controls: list[str] = []
        if self._has_prompt(name):
            controls.append(f"=prompt {name}")
        controls += [f"=shuffled {point.recipe}" for point in self._shuffled_points(name)]
        return own + controls + [key for _, points in self._random_points(name) for key in points]

    def grid(self, name: str) -> list[Planned]:
        """Return a concept's baseline and its cells."""
        baseline = Planned(Cell(f"=baseline {name}", "baseline", name, ""), ())
        own = [point for point in self.points() if point.concept == name]
        return [baseline, *(self._steered("cell", point.recipe, point, self.vectors) for point in own)]

    def controls(
        self, name: str, done: Collection[str] = (), should_stop: Callable[[], bool] | None = None
    ) -> Iterator[Planned]:
        """Yield a concept's controls but those that are done; a mix has none.

        Raises:
            Cancelled: `should_stop` said so while examples were read.
        """
        if self._has_prompt(name):
            yield Planned(Cell(f"=prompt {name}", "prompt", name, ""), (), self.examples[name].instruction)
        left = [point for point in self._shuffled_points(name) if f"=shuffled {point.recipe}" not in done]
        if left:
            vector = shuffled_vector(self.lm, self.vectors[name], self.examples[name], should_stop)
            for point in left:
                yield self._steered("shuffled", f"=shuffled {point.recipe}", point, {name: vector})
        for number, points in self._random_points(name):
            direction = {name: random_vector(self.vectors[name], number)}
            for key, point in points.items():
                yield self._steered("random", key, point, direction)

    def jobs(self, planned: Planned) -> list[Job]:
        """Return a cell's rows: every prompt with every seed."""
        found: list[Job] = []
        concepts = self.request.concepts if self.request.mix else (planned.cell.name,)
        for number, prompt in enumerate(self.request.prompts):
            plain = self._encoded(prompt)
            ids = self._encoded(f"{planned.instruction} {prompt}") if planned.instruction else plain
            for seed in self.request.seeds:
                sampling = replace(self.request.sampling, seed=seed)
                place = len(found)
                found.append(Job(planned.cell.key, place, number, ids, plain, planned.terms, sampling, tuple(concepts)))
        return found

    def _encoded(self, prompt: str) -> tuple[int, ...]:
        ids, context = self.lm.encode(prompt, self.request.raw), self.lm.info.context
        if context and len(ids) >= context:
            raise UsageError(
                f"a prompt has {len(ids)} tokens and fills the model's context of {context}",
                hint="shorten it, so that there is room for an answer",
            )
        return tuple(ids)

    def _sizes(self) -> list[float]:
        return sorted({abs(strength) for strength in self.request.strengths} - {0.0})

    def _has_controls(self) -> bool:
        return self.request.controls and not self.request.mix

    def _has_prompt(self, name: str) -> bool:
        return self._has_controls() and name in self.examples and bool(self.examples[name].instruction)

    def _shuffled_points(self, name: str) -> list[Point]:
        """Return where the label-shuffled vector acts: at the row where the real one is best, else the middle one."""
        if not self._has_controls() or name not in self.examples:
            return []
        if not can_shuffle(self.vectors[name], self.examples[name]):
            return []
        rows = self.request.rows(self.lm.info.layers)
        best = first_best(self.vectors[name])
        row = next((row for row in rows if best in row or "best" in row), rows[len(rows) // 2])
        return [self.point(name, row, size) for size in self._sizes()]

    def _random_points(self, name: str) -> list[tuple[int, dict[str, Point]]]:
        """Return for each random direction where it acts, by key: one row each, all strengths."""
        if not self._has_controls():
            return []
        rows = self.request.rows(self.lm.info.layers)
        found = []
        for number in range(self.request.randoms):
            points = [self.point(name, rows[number % len(rows)], size) for size in self._sizes()]
            found.append((number, {f"=random {number} {point.recipe}": point for point in points}))
        return found

    def _steered(self, kind: Kind, key: str, point: Point, vectors: Vectors) -> Planned:
        terms = resolve(parse_recipe(point.recipe), vectors, self.lm.info.layers, self.lm.info.width)
        layers = tuple(sorted({layer for term in terms for layer in term.layers}))
        return Planned(Cell(key, kind, point.concept, point.recipe, point.span, layers, point.strengths), terms)


def checked(lm: LanguageModel, request: SweepRequest, vectors: Vectors) -> SweepRequest:
    """Return the request with its rows written out; a concept's vector has every one of them.

    Raises:
        UsageError: The request is no sweep; it is too large; a prompt leaves no room for a token.
        RecipeError: A name is unknown, or a vector lacks a layer.
        ShapeMismatch: A vector belongs to another model.
    """
    request.check()
    check_sampling(Request("", "", request.sampling))
    if request.sampling.max_tokens < 1:
        raise UsageError("a sweep without tokens shows nothing", hint="32 tokens are usual")
    require_names(Recipe(tuple(map(Term, request.concepts))), vectors)
    for name in request.concepts:
        require_fit(vectors[name], lm.info.layers, lm.info.width)
    if not request.layers and not request.mix and not request.auto:
        shared = set.intersection(*(set(vectors[name].layers) for name in request.concepts))
        wanted = [layer for layer in spread_layers(lm.info.layers) if layer in shared] or sorted(shared)
        if not wanted:
            raise UsageError("the concepts' vectors share no layer", hint="sweep one concept at a time")
        request = replace(request, layers=tuple((layer,) for layer in wanted))
    count = len(request.points(lm.info.layers))
    if count > MOST_CELLS:
        raise UsageError(f"the grid has {count} cells, more than {MOST_CELLS}", hint="take fewer layers or strengths")
    return request


def names_of(request: SweepRequest) -> Sequence[str]:
    """Return the name of every grid."""
    return ("+".join(request.concepts),) if request.mix else request.concepts
