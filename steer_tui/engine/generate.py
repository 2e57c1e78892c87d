"""One prompt, steered beside unsteered: what the screen, the command line and Python call to generate text.

Knows rows and text; nothing of screens, files or threads, save that `Controls` may be used from another one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from steer_tui.engine.branch import Branch
from steer_tui.engine.decode import Decoder, Drawn, Row
from steer_tui.engine.hooked import FwdHooks
from steer_tui.engine.hookvalues import HookSpec, LogitDifference
from steer_tui.engine.judge import Judge
from steer_tui.engine.logitshift import logit_difference
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.out_of_memory import memory_errors_named
from steer_tui.engine.recipe import Recipe, parse_recipe
from steer_tui.engine.resolve import ActiveTerm, resolve
from steer_tui.engine.runhooks import RunHooks
from steer_tui.engine.types import Change, Request, RunResult, Step
from steer_tui.engine.user_hooks import HookFile
from steer_tui.engine.vector import SteeringVector
from steer_tui.errors import SteerError, UsageError

STEERED, BASELINE = 0, 1
"""Rows of the batch."""

_STOPPED_TOKENS = 256
"""A stopped text is measured up to this length; reading a longer one would keep a person waiting who asked to stop."""

Vectors = Mapping[str, SteeringVector]


class Controls:
    """Reaches into a running generation from any thread; what is asked is done before the next step."""

    def __init__(self, on_refused: Callable[[SteerError], None] | None = None, watch_seconds: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._recipe: str | None = None
        self._hooks: tuple[tuple[HookSpec, ...], str | None] | None = None
        self.on_refused = on_refused
        """Called on the generating thread with the reason why a change was not made; what is in force stays."""
        self.watch_seconds = watch_seconds
        """Least time between two steps that bring what watched points saw; the steps between wait for the next."""

    def stop(self) -> None:
        """End the run before its next step."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def change(self, recipe: str) -> None:
        """Put another recipe in force; of several changes between two steps the last one counts."""
        with self._lock:
            self._recipe = recipe

    def take_change(self) -> str | None:
        """Return the recipe asked for since the last call, None where there was none."""
        with self._lock:
            recipe, self._recipe = self._recipe, None
            return recipe

    def change_hooks(self, specs: Sequence[HookSpec], hook_file: str | None = None) -> None:
        """Put these hooks in force in place of all that the request or an earlier change named.

        A hook whose spec stays keeps its state. Own hooks are loaded anew where their file has been saved since.

        Args:
            specs: In order.
            hook_file: Path of the file of own hooks; None for the one that the run has.
        """
        with self._lock:
            self._hooks = (tuple(specs), hook_file)

    def take_hooks(self) -> tuple[tuple[HookSpec, ...], str | None] | None:
        """Return the hooks asked for since the last call and their file, None where there were none."""
        with self._lock:
            hooks, self._hooks = self._hooks, None
            return hooks


def generate(
    lm: LanguageModel,
    request: Request,
    vectors: Vectors,
    *,
    on_step: Callable[[Step], None] | None = None,
    controls: Controls | None = None,
    measures: bool = True,
    hooks: FwdHooks = (),
    file: HookFile | None = None,
) -> RunResult:
    """Generate as `request` says and return all that came of it.

    Args:
        lm: The model.
        request: Prompt, recipe, sampling; its `changes` are replayed at their steps.
        vectors: Every vector that the recipe, its changes or live changes may name.
        on_step: Called after each step, on this thread.
        controls: Stops or changes the run while it goes on.
        measures: False leaves out the second reading of the texts, and so does stopping a long run.
        hooks: Pairs of point and hook for this run, before those of the request; they, and those that are registered,
            act on the steered row alone.
        file: `request.hook_file`, loaded; None runs that file when the run begins.

    Raises:
        RecipeError: The recipe does not parse or fit; nothing has run.
        UsageError: The prompt leaves no room for a token, a number is out of range, or a hook of the request cannot be
            made, which names the hook.
        OutOfMemory: The run does not fit; the model is clean.
        HookError: A hook failed; none is left on the model.
    """
    with memory_errors_named(
        "the run does not fit in the device's memory",
        "shorten the prompt, ask for fewer tokens, or choose a smaller model",
    ):
        return _Run(lm, request, vectors, controls or Controls(), measures, file).go(on_step, hooks)


class _Run:
    """The state of one generation."""

    def __init__(
        self,
        lm: LanguageModel,
        request: Request,
        vectors: Vectors,
        controls: Controls,
        measures: bool,
        file: HookFile | None,
    ) -> None:
        check_sampling(request)
        self._lm, self._request, self._vectors, self._controls = lm, request, vectors, controls
        self._recipe = parse_recipe(request.recipe)
        self._told = str(self._recipe)
        self._terms = self._resolve(self._recipe)
        self._replayed = {change.step: (self._parsed(change.recipe), change) for change in request.changes}
        self._changes: list[Change] = []
        self._hooks = RunHooks(lm, vectors, is_counted=request.statistics, file=file)
        self._difference: LogitDifference | None = None
        self._prompt_ids = lm.encode(request.prompt, request.raw)
        _require_room(lm, self._prompt_ids)
        count = 2 if request.baseline else 1
        self._branches = [Branch(lm, self._prompt_ids) for _ in range(count)]
        recipes = (self._recipe, *(recipe for recipe, _ in self._replayed.values()))
        concepts = {name: vectors[name] for recipe in recipes for name in recipe.names}
        self._judge = Judge(lm, self._prompt_ids, concepts, count) if measures else None

    def go(self, on_step: Callable[[Step], None] | None, hooks: FwdHooks) -> RunResult:
        """Run to the end."""
        began, hooks = time.perf_counter(), tuple(hooks)
        rows = [
            Row(self._prompt_ids, self._terms, self._request.sampling),
            Row(self._prompt_ids, (), self._request.sampling),
        ]
        rows = rows[: len(self._branches)]
        watch = range(self._lm.info.layers) if self._request.statistics else ()
        steps = 0
        decoding = began
        own = self._hooks.put(self._request.hooks, self._request.hook_file, 0) or ()
        acts = bool(self._terms or self._hooks.acting or hooks or self._lm.layers.attached)
        with Decoder(self._lm, rows, watch=watch, hooks=hooks, hook_rows=(STEERED,)) as decoder:
            decoder.hook(own)
            decoder.follow({name: self._vectors[name] for name in self._recipe.names})
            while decoder.alive and not self._controls.stopped:
                change = self._change_before(steps, decoder)
                drawn = decoder.step()
                step = self._take(steps, drawn, change)
                if self._judge is not None:
                    self._judge.note(drawn, decoder)
                if on_step is not None:
                    on_step(step)
                if steps == 0:
                    self._compare(drawn, decoder, acts or change is not None)
                    decoding = time.perf_counter()
                steps += 1
            is_stopped = bool(decoder.alive)
        decoded = time.perf_counter() - decoding
        return self._result(steps, decoded, began, is_stopped)

    def _change_before(self, step: int, decoder: Decoder) -> Change | None:
        """Put a replayed or live change in force, and return it; None where everything stays."""
        recipe, replayed = self._replayed.get(step, (None, None))
        if replayed is not None and replayed.hooks is not None:
            has_hooked = self._hook(replayed.hooks, replayed.hook_file, step, decoder)
        else:
            has_hooked = False
        asked, hooks = self._controls.take_change(), self._controls.take_hooks()
        try:
            recipe = recipe if asked is None else self._parsed(asked)
        except SteerError as error:
            self._refuse(error)
        try:
            has_hooked = (hooks is not None and self._hook(*hooks, step, decoder)) or has_hooked
        except SteerError as error:
            self._refuse(error)
        is_new = recipe is not None and recipe != self._recipe
        if recipe is not None and is_new:
            self._steer(recipe, decoder)
        if not is_new and not has_hooked:
            return None
        change = Change(step, str(self._recipe))
        if has_hooked:
            own = self._hooks
            change = replace(change, hooks=own.specs, hook_file=own.file_path, hook_sha256=own.file_sha256)
        self._changes.append(change)
        return self._changes[-1]

    def _steer(self, recipe: Recipe, decoder: Decoder) -> None:
        decoder.steer({STEERED: self._resolve(recipe)})
        vectors = {name: self._vectors[name] for name in recipe.names}
        decoder.follow(vectors)
        if self._judge is not None:
            self._judge.add_concepts(vectors)
        self._recipe = recipe

    def _hook(self, specs: Sequence[HookSpec], path: str | None, step: int, decoder: Decoder) -> bool:
        """Put other hooks in force; return whether anything changed."""
        with decoder.quiet():  # a prompt to patch from is read without recipe and hooks
            hooks = self._hooks.put(specs, path, step)
        if hooks is not None:
            decoder.hook(hooks)
        return hooks is not None

    def _refuse(self, error: SteerError) -> None:
        if self._controls.on_refused is not None:
            self._controls.on_refused(error)

    def _take(self, index: int, drawn: list[Drawn], change: Change | None) -> Step:
        if any(math.isnan(token.logprob) for token in drawn):
            raise UsageError(
                f"the model's numbers overflow at token {index + 1}: no next token can be told",
                hint="lower the strengths of the recipe or the factors of the hooks",
            )
        tokens = {token.row: self._branches[token.row].take(token) for token in drawn}
        recipe = change.recipe if change is not None and change.recipe != self._told else None
        self._told = self._told if recipe is None else recipe
        is_last = self._controls.stopped or all(token.finish is not None for token in drawn)
        watched = self._hooks.watched(0.0 if is_last else self._controls.watch_seconds)
        return Step(index, tokens.get(STEERED), tokens.get(BASELINE), recipe, change, watched)

    def _compare(self, drawn: list[Drawn], decoder: Decoder, acts: bool) -> None:
        """Compare the logits of the first generated position."""
        logits = decoder.last_logits
        if acts and logits is not None and [token.row for token in drawn] == [STEERED, BASELINE]:
            self._difference = logit_difference(logits[0], logits[1], self._lm.tokenizer)

    def _parsed(self, text: str) -> Recipe:
        recipe = parse_recipe(text)
        self._resolve(recipe)
        return recipe

    def _resolve(self, recipe: Recipe) -> tuple[ActiveTerm, ...]:
        return resolve(recipe, self._vectors, self._lm.info.layers, self._lm.info.width)

    def _result(self, steps: int, decoded: float, began: float, is_stopped: bool) -> RunResult:
        steered = self._branches[STEERED]
        baseline = self._branches[BASELINE] if len(self._branches) > 1 else None
        judge = None if is_stopped and steps > _STOPPED_TOKENS else self._judge
        with self._lm.layers.paused():
            measures = judge.finish(self._branches) if judge is not None else None
        return RunResult(
            model=self._lm.info,
            request=replace(self._request, changes=tuple(self._changes)),
            prompt_ids=tuple(self._prompt_ids),
            steered=steered.text(is_stopped),
            baseline=baseline.text(is_stopped) if baseline else None,
            activations=(steered.activations(), baseline.activations() if baseline else None),
            measures=measures,
            hooks=self._hooks.reports(),
            logit_difference=self._difference,
            tokens_per_second=(steps - 1) / decoded if steps > 1 and decoded > 0 else 0.0,
            seconds=time.perf_counter() - began,
        )


def _require_room(lm: LanguageModel, prompt_ids: Sequence[int]) -> None:
    if lm.info.context and len(prompt_ids) >= lm.info.context:
        raise UsageError(
            f"the prompt has {len(prompt_ids)} tokens and fills the model's context of {lm.info.context}",
            hint="shorten it, so that there is room for an answer",
        )


def check_sampling(request: Request) -> None:
    """Refuse numbers that no sampling can have.

    Raises:
        UsageError: naming the number.
    """
    sampling = request.sampling
    if not 0 <= sampling.temperature <= 100:
        raise UsageError(f"temperature {sampling.temperature} is out of range", hint="0 is greedy, 0.7 is usual")
    if not 0 < sampling.top_p <= 1:
        raise UsageError(f"top_p {sampling.top_p} is out of range", hint="more than 0, at most 1")
    if sampling.top_k < 0:
        raise UsageError(f"top_k {sampling.top_k} is negative", hint="0 switches it off")
    if sampling.max_tokens < 0:
        raise UsageError(f"max_tokens {sampling.max_tokens} is negative", hint="50 is good for comparisons")
