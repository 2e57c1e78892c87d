"""The sweep that is being set up: one immutable value, each field read and written as text.

Promises that a field which was taken in is a valid one. Knows nothing of running sweeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from steer_tui.engine.recipe import BEST, OPS, Layers, Term, format_number, nearest_names
from steer_tui.engine.scope import ALL, Scope
from steer_tui.engine.sweeprequest import EXPLORED, KL_BUDGET, STRENGTHS, TOKENS, WEIGHTS, SweepRequest, spread_layers
from steer_tui.engine.types import Sampling
from steer_tui.errors import UsageError
from steer_tui.session import sweep_fields as fields
from steer_tui.session import terms as edit
from steer_tui.session.state import Workbench
from steer_tui.text import clean, one_line

CONCEPT, LAYERS, STRENGTH, TOKEN, SEED, HEAT, ACTS, BUDGET = (
    "concept",
    "layers",
    "strengths",
    "tokens",
    "seeds",
    "temp",
    "acts",
    "KL budget",
)
FIELDS = (CONCEPT, LAYERS, STRENGTH, TOKEN, SEED, HEAT, ACTS, BUDGET)
"""The fields beside the prompts, as a person sees them named."""
HELP = {
    CONCEPT: "a, b: each alone; a + b: a mix",
    LAYERS: "0..5: a row each; 3-4: one row of both",
    STRENGTH: "0.5:2.5:0.5, or -1, 1, 2",
    TOKEN: "tokens of every text",
    SEED: "0..3 are four texts per prompt",
    HEAT: "temperature; 0 is greedy",
    ACTS: "operation/scope; o and s walk",
    BUDGET: "nats; the best cell costs no more",
}


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A request that is still being written."""

    request: SweepRequest
    layer_count: int

    @property
    def cells(self) -> int:
        """How many cells the grid will have."""
        return len(self.request.points(self.layer_count))

    def text(self, field: str) -> str:
        """Return a field as it is written."""
        request = self.request
        if field == CONCEPT:
            return (" + " if request.mix else ", ").join(request.concepts)
        if field == LAYERS:
            return fields.write_layers(request.rows(self.layer_count), self.layer_count)
        if field == STRENGTH:
            return fields.write_strengths(request.strengths)
        if field == SEED:
            return fields.write_seeds(request.seeds)
        plain = {
            TOKEN: str(request.sampling.max_tokens),
            HEAT: format_number(request.sampling.temperature),
            ACTS: f"{request.op}/{request.scope}",
            BUDGET: format_number(request.kl_budget),
        }
        return plain[field]

    def with_text(self, field: str, text: str, known: Sequence[str] = ()) -> SweepPlan:
        """Return the plan with a field as a person wrote it.

        Raises:
            UsageError: It cannot be read; `known` are the names of all concepts, none where they are not known.
        """
        if field == CONCEPT:
            return self._with_concepts(text, known)
        if field == ACTS:
            (term,) = edit.starting_terms("x", f"x~{one_line(text)}") if text else (Term("x"),)
            if f"{term.op}/{term.scope}" != text.strip() and f"{term.op}" != text.strip():
                raise UsageError(f"{text!r} is no way to act", hint=f"such as add/generated; one of {', '.join(OPS)}")
            return self._with(op=term.op, scope=term.scope)
        if field == LAYERS:
            rows = fields.read_layers(text, self.layer_count)
            if self.request.mix and len(rows) > 1:
                raise UsageError("a mix has one choice of layers", hint="such as best or 3-4")
            return self._with(layers=rows)
        if field == STRENGTH:
            return self._with(strengths=fields.read_strengths(text))
        if field == SEED:
            return self._with(seeds=fields.read_seeds(text))
        if field == BUDGET:
            return self._with(kl_budget=fields.read_number(text, "the KL budget", 0.001, 1000))
        sampling = self.request.sampling
        if field == TOKEN:
            return self._with(sampling=replace(sampling, max_tokens=fields.read_count(text, "tokens", 100_000)))
        return self._with(sampling=replace(sampling, temperature=fields.read_number(text, "temperature", 0, 5)))

    def _with_concepts(self, text: str, known: Sequence[str]) -> SweepPlan:
        mix = "+" in text
        names = tuple(dict.fromkeys(name.strip() for name in text.split("+" if mix else ",") if name.strip()))
        for name in names:
            if known and name not in known:
                raise UsageError(f"no concept {name!r}", hint=nearest_names(name, known))
        if not names:
            raise UsageError("no concept", hint="such as happy")
        if mix and len(names) not in (2, 3):
            raise UsageError("a mix takes two or three concepts", hint="such as happy + excited")
        request = replace(self.request, concepts=names, mix=mix)
        if mix != self.request.mix:
            layers: tuple[Layers, ...] = (BEST,) if mix else default_rows((), self.layer_count)
            request = replace(request, layers=layers, strengths=WEIGHTS if mix else STRENGTHS)
        return replace(self, request=request)

    def with_prompt(self, index: int, text: str) -> SweepPlan:
        """Return the plan with a prompt in place of another, or one more; an empty text takes it away."""
        prompts = list(self.request.prompts)
        prompts[index : index + 1] = [clean(text)] if text.strip() else []
        return self._with(prompts=tuple(dict.fromkeys(prompts)))

    def next_operation(self) -> SweepPlan:
        """Return the plan with the next operation."""
        return self._with(op=edit.next_operation(Term("x", op=self.request.op)).op)

    def next_scope(self) -> SweepPlan:
        """Return the plan with the next scope."""
        return self._with(scope=edit.next_scope(Term("x", scope=self.request.scope)).scope)

    def with_budget(self, kl_budget: float) -> SweepPlan:
        """Return the plan with another KL budget, in nats."""
        return self._with(kl_budget=kl_budget)

    def with_seeds(self, seeds: tuple[int, ...]) -> SweepPlan:
        """Return the plan with other seeds."""
        return self._with(seeds=seeds)

    def _with(self, **changes: object) -> SweepPlan:
        return replace(self, request=replace(self.request, **changes))  # type: ignore[arg-type]


def default_rows(best: tuple[int, ...], layer_count: int) -> tuple[Layers, ...]:
    """Return every layer by itself, then the recommended ones together where they are several or none is known."""
    single = tuple((layer,) for layer in spread_layers(layer_count))
    return single if len(best) == 1 and (best[0],) in single else (*single, BEST)


def plan_from(bench: Workbench, concept: str, best: tuple[int, ...], layer_count: int) -> SweepPlan:
    """Return the sweep that the session suggests: its selected term over layers and strengths."""
    return SweepPlan(_request(bench, (concept,), default_rows(best, layer_count), STRENGTHS), layer_count)


def layer_analysis(bench: Workbench, term: Term, layer_count: int) -> SweepPlan:
    """Return the preset: the term's strength over all layers, one at a time."""
    rows: tuple[Layers, ...] = tuple((layer,) for layer in range(layer_count))
    return SweepPlan(_request(bench, (term.name,), rows, (term.strength or 1.0,)), layer_count)


def strength_explorer(bench: Workbench, term: Term, layer_count: int) -> SweepPlan:
    """Return the preset: the term's layers over all strengths."""
    return SweepPlan(_request(bench, (term.name,), (term.layers,), EXPLORED), layer_count)


def mixer(bench: Workbench, layer_count: int) -> SweepPlan:
    """Return the preset: the weights of the recipe's first two or three concepts."""
    names = tuple(dict.fromkeys(term.name for term in bench.terms))[:3]
    return SweepPlan(replace(_request(bench, names, (BEST,), WEIGHTS), mix=True), layer_count)


def _request(
    bench: Workbench, concepts: tuple[str, ...], rows: tuple[Layers, ...], strengths: tuple[float, ...]
) -> SweepRequest:
    term = next((term for term in bench.terms if term.name == concepts[0]), None)
    sampling = replace(bench.sampling, max_tokens=TOKENS)
    return SweepRequest(
        prompts=(bench.prompt,) if bench.prompt.strip() else (),
        concepts=concepts,
        layers=rows,
        strengths=strengths,
        op=term.op if term else "add",
        scope=_scope(term),
        sampling=_plain(sampling),
        seeds=(bench.sampling.seed,),
        raw=bench.raw,
        kl_budget=KL_BUDGET,
    )


def _scope(term: Term | None) -> Scope:
    return term.scope if term else ALL


def _plain(sampling: Sampling) -> Sampling:
    """Return the settings without a seed of their own: a sweep's seeds stand apart."""
    return replace(sampling, seed=0)
