"""The decode core: the rows of a batch stepped together, token by token.

A row is a prompt, terms that steer it and a sampling of its own. Promises: unsteered greedy rows give the tokens of
plain `model.generate`; a row's tokens do not depend on its neighbours; a change acts on the very next step; no hook
outlives the context. Knows nothing of text, files or screens.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.blockhooks import BlockHooks
from steer_tui.engine.cache import keep_rows, new_cache
from steer_tui.engine.draw import Drawer
from steer_tui.engine.gates import decide_gates
from steer_tui.engine.groups import group
from steer_tui.engine.hooked import FwdHooks
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.normmeter import NormMeter
from steer_tui.engine.parting import Parting, can_part, parts
from steer_tui.engine.plan import Plan
from steer_tui.engine.prompt import pad_left
from steer_tui.engine.quick_linear import quick_linear
from steer_tui.engine.resolve import ActiveTerm
from steer_tui.engine.spot import Spot
from steer_tui.engine.types import Finish, Sampling, Stats
from steer_tui.engine.vector import SteeringVector
from steer_tui.engine.watch import Watch


@dataclass(frozen=True)
class Row:
    """One text to generate."""

    prompt_ids: Sequence[int]
    terms: tuple[ActiveTerm, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True)
class Drawn:
    """One new token of one row."""

    row: int
    """Index of the row as it was given, whatever rows have ended since."""
    id: int
    logprob: float
    steered: bool
    """Whether a term acted at the position that this token was drawn from."""
    finish: Finish | None
    """None while the row goes on."""
    stats: Stats | None


class Decoder:
    """Steps rows until all have ended; use as a context, call `step` while `alive`."""

    def __init__(
        self,
        lm: LanguageModel,
        rows: Sequence[Row],
        *,
        watch: Sequence[int] = (),
        hooks: FwdHooks = (),
        hook_rows: Sequence[int] | None = None,
        meter: NormMeter | None = None,
    ) -> None:
        """Prepare a batch.

        Args:
            lm: The model.
            rows: At least one; one without room in the model's context, or asked for no token, is never alive.
            watch: Blocks whose statistics each step brings; none by default, which costs nothing.
            hooks: Pairs of point and hook for this batch, beside those that are registered; they come after the terms.
            hook_rows: Rows that all of them act on, by index; None for all. A hook's own `rows` win.
            meter: Measures how much steering adds.
        """
        self._lm = lm
        self._rows = list(rows)
        self._limits = [_most_tokens(row, lm.info.context) for row in rows]
        self.alive = [index for index, limit in enumerate(self._limits) if limit > 0]
        """Indices of the rows that go on."""
        self.last_logits: Tensor | None = None
        """(R, V) of the rows that the last step drew for, in the order of its result."""
        self._steps = 0
        begin = [self._rows[index] for index in self.alive]
        self._drawer = Drawer([row.sampling for row in begin])
        self._plan = Plan([len(row.prompt_ids) for row in begin], lm.info.width, lm.device, lm.dtype)
        self._prefill_plan: Plan | None = None
        """The plan of the rows that stand for all while the prompts are read; None at any other time."""
        self._parting: Parting | None = None  # not None only while a prompt is read that rows share
        self._meter = meter
        self._is_quiet = False
        self._cache = new_cache(lm.model.config)
        self._mask: Tensor | None = None
        self._newest: Tensor | None = None
        self._accepts = frozenset(inspect.signature(lm.model.forward).parameters)
        self._watch = Watch(watch, len(begin), lm.info.width, lm.device, lm.dtype) if watch else None
        self._hooks = BlockHooks(lm.structure, self._on_block, lm)
        self._more_hooks, self._hook_rows = hooks, hook_rows
        self._run_hooks = ExitStack()
        """Takes the newest set of `hook` off."""
        self._exit = ExitStack()

    def __enter__(self) -> Decoder:
        with ExitStack() as prepared:  # a gate's pass over the prompt may raise: then nothing may stay behind
            prepared.enter_context(self._hooks)
            prepared.enter_context(quick_linear(self._lm).installed(len(self.alive), self._prompt_tokens))
            prepared.enter_context(self._lm.layers.only_on(self._hook_rows))
            prepared.enter_context(self._lm.layers.hooked(self._more_hooks))
            prepared.callback(lambda: self._run_hooks.close())
            self.steer({index: row.terms for index, row in enumerate(self._rows)})
            self._exit = prepared.pop_all()
        return self

    @property
    def _prompt_tokens(self) -> int:
        return sum(len(self._rows[index].prompt_ids) for index in self.alive)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def steer(self, terms: Mapping[int, Sequence[ActiveTerm]]) -> None:
        """Put other terms in force for some rows, by the index they were given with; acts on the next step."""
        with self.quiet():
            ready = {
                self.alive.index(index): decide_gates(self._lm, self._rows[index].prompt_ids, row_terms)
                for index, row_terms in terms.items()
                if index in self.alive
            }
        self._plan.set_rows(ready)
        self._hooks.cover(self._plan.layers | set(self._watch.layers if self._watch else ()))
        self._lm.layers.come_last()

    def hook(self, hooks: FwdHooks) -> None:
        """Have these hooks on from the next step on, in place of those of the last call; after all others.

        Raises:
            UsageError: A point does not exist or cannot be had; the hooks of the last call stay.
        """
        with ExitStack() as prepared:
            prepared.enter_context(self._lm.layers.hooked(hooks))
            self._run_hooks.close()
            self._run_hooks = prepared.pop_all()

    def follow(self, vectors: Mapping[str, SteeringVector]) -> None:
        """Measure the place on these concepts with the statistics from the next step on."""
        if self._watch is not None:
            self._watch.follow(vectors)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Let the model be used inside as if no row were steered or watched."""
        self._is_quiet = True
        try:
            with self._lm.layers.paused():
                yield
        finally:
            self._is_quiet = False

    @torch.inference_mode()
    def step(self) -> list[Drawn]:
        """Compute one more token of every row that goes on."""
        logits = self._prefill() if self._newest is None else self._advance(self._newest)
        self.last_logits = logits
        ids, logprobs = self._drawer.draw(logits)
        table = torch.stack([ids.float(), logprobs]).tolist()  # ids are exact in float32 up to 2**24
        stats = self._watch.read() if self._watch else [None] * len(self.alive)
        self._steps += 1
        drawn = [
            Drawn(row, int(table[0][place]), table[1][place], self._plan.acts(place), None, stats[place])
            for place, row in enumerate(self.alive)
        ]
        drawn = [self._finished(token) for token in drawn]
        self._newest = ids.unsqueeze(1)
        self._drop([place for place, token in enumerate(drawn) if token.finish is None])
        return drawn

    def _finished(self, token: Drawn) -> Drawn:
        if token.id in self._lm.eos_ids:
            return replace(token, finish="stop")
        return replace(token, finish="length") if self._steps >= self._limits[token.row] else token

    def _drop(self, places: list[int]) -> None:
        """Let the rows go that have ended."""
        if len(places) == len(self.alive):
            return
        self.alive = [self.alive[place] for place in places]
        if not places:
            return
        assert self._newest is not None
        self._newest = self._newest[places]
        self._mask = None if self._mask is None else self._mask[places]
        self._drawer.keep(places)
        self._plan.keep(places)
        keep_rows(self._cache, places)
        if self._watch is not None:
            self._watch.keep(places)

    def _prefill(self) -> Tensor:
        """Read the prompts; rows whose prompts and whose terms on them are the same are read once."""
        prompts = [tuple(self._rows[index].prompt_ids) for index in self.alive]
        ends = [len(prompt) - 1 for prompt in prompts]
        read, place = list(range(len(prompts))), list(range(len(prompts)))
        if not self._lm.layers.attached:
            with self.quiet():
                may_part = self._watch is None and parts(self._plan, prompts) and can_part(self._lm)
            if may_part:
                return self._read_parting(prompts[0])
            read, place = group((prompt, self._plan.on_prompt(row)) for row, prompt in enumerate(prompts))
        ids, mask = pad_left([prompts[row] for row in read], self._lm.pad_id, self._lm.device)
        grid = mask.cumsum(-1) - 1  # -1 on padding
        self._mask = None if min(ends) == max(ends) else mask
        self._plan.at(ends, grid)
        self._prefill_plan = self._plan if len(read) == len(prompts) else self._plan.some(read)
        self._prefill_plan.at([ends[row] for row in read], grid)
        try:
            logits = self._forward(ids, grid.clamp_min(0), place)
        finally:
            self._prefill_plan = None
        return self._spread(logits, place) if len(read) < len(prompts) else logits

    def _read_parting(self, prompt: Sequence[int]) -> Tensor:
        """Read a prompt that all rows share, each row for itself from the first block that steers it."""
        ids = torch.tensor([list(prompt)], device=self._lm.device)
        positions = torch.arange(len(prompt), device=self._lm.device).unsqueeze(0)
        self._plan.at([len(prompt) - 1] * len(self.alive), positions.expand(len(self.alive), -1))
        self._parting = Parting(self._plan, self.alive, self._lm.info.layers, positions, self._meter)
        try:
            logits = self._forward(ids, positions, self._parting.place)
            self._parting.spread(self._cache)
            return logits[self._parting.place]
        finally:
            self._parting = None

    def _spread(self, logits: Tensor, place: list[int]) -> Tensor:
        """Go on with every row from the one that was read for it."""
        keep_rows(self._cache, place)
        self._mask = None if self._mask is None else self._mask[place]
        if self._watch is not None:
            self._watch.keep(place)
        return logits[place]

    def _advance(self, newest: Tensor) -> Tensor:
        """Read the tokens drawn last, (R, 1)."""
        positions = [len(self._rows[row].prompt_ids) + self._steps - 1 for row in self.alive]
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(positions), 1)], dim=1)
        self._plan.at(positions)
        return self._forward(
            newest, torch.tensor(positions, device=self._lm.device).unsqueeze(1), range(len(positions))
        )

    def _forward(self, ids: Tensor, positions: Tensor, place: Sequence[int]) -> Tensor:
        """Return the logits of the last position, (R, V); `place` says which row of `ids` stands for each row."""
        if self._meter is not None:
            self._meter.at(self.alive, place)
        options: dict[str, Any] = {"past_key_values": self._cache, "use_cache": True, "return_dict": True}
        if self._mask is not None:
            options["attention_mask"] = self._mask
        if "position_ids" in self._accepts:
            options["position_ids"] = positions
        if "logits_to_keep" in self._accepts:
            options["logits_to_keep"] = 1
        with self._lm.layers.run(self.alive):
            logits: Tensor = self._lm.model(input_ids=ids, **options).logits[:, -1]
        return logits.to(ids.device)  # with a device map, they may lie elsewhere

    def _on_block(self, layer: Spot, hidden: Tensor) -> Tensor:
        if self._is_quiet:
            return hidden
        if self._parting is not None:
            return self._parting.pass_on(layer, hidden)
        after = (self._prefill_plan or self._plan).apply(layer, hidden)
        if self._watch is not None and isinstance(layer, int):
            self._watch.note(layer, hidden, after)
        if self._meter is not None and after is not hidden:
            self._meter.note(hidden, after)
        return after


def _most_tokens(row: Row, context: int) -> int:
    """Return how many tokens a row may get: no more than asked for, nor than the model's context has room for."""
    asked = row.sampling.max_tokens
    return min(asked, context - len(row.prompt_ids)) if context else asked
