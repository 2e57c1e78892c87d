"""What the workbench knows of a person's work: one immutable value, moved on by pure transitions, with undo.

A transition returns a new value; undo brings back exactly what was there before each change of recipe, hooks or prompt.
Knows nothing of what is loaded or running, of files, or of the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from steer_tui.engine.hookvalues import FILE, HookSpec
from steer_tui.engine.recipe import Recipe, Term, parse_recipe
from steer_tui.engine.types import Request, Sampling
from steer_tui.session import terms as edit
from steer_tui.text import clean

DEFAULT_PROMPT = "The meeting went"
MAX_UNDO = 200
MAX_PARKED = 64


@dataclass(frozen=True, slots=True)
class Draft:
    """What undo brings back."""

    prompt: str
    terms: tuple[Term, ...]
    selected: int
    parked: tuple[Term, ...]
    hooks: tuple[HookSpec, ...] = ()
    hook_file: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What is in front; names of screens and panes are the screen's own."""

    screen: str = "steer"
    recent: tuple[str, ...] = ()
    """Panes, the one looked at last first."""
    zoomed: str | None = None


@dataclass(frozen=True, slots=True)
class Workbench:
    """Prompt, recipe, settings and layout."""

    prompt: str = DEFAULT_PROMPT
    terms: tuple[Term, ...] = ()
    selected: int = 0
    """Index of the term that keys act on; 0 where there is none."""
    parked: tuple[Term, ...] = ()
    """Terms that were switched off, with their settings, for the next time."""
    hooks: tuple[HookSpec, ...] = ()
    """What is attached to the model's points, in order."""
    hook_file: str | None = None
    """The Python file that hooks of the kind `file` come from."""
    sampling: Sampling = field(default_factory=Sampling)
    baseline: bool = True
    raw: bool = False
    """True bypasses the chat template."""
    model_ref: str = ""
    """What was loaded last; empty before the first."""
    theme: str | None = None
    """None is the product's own default."""
    layout: Layout = Layout()
    past: tuple[Draft, ...] = ()
    """Oldest first."""
    future: tuple[Draft, ...] = ()
    """What redo brings back, the next one last."""
    is_typing: bool = False
    """Whether the newest change was one of `type_prompt`, which the next one joins."""

    # What follows from it

    @property
    def selected_term(self) -> Term | None:
        """The term that keys act on, None where the recipe is empty."""
        return self.terms[self.selected] if self.terms else None

    @property
    def recipe(self) -> Recipe:
        """The terms as a recipe."""
        return Recipe(self.terms)

    @property
    def recipe_text(self) -> str:
        """The recipe as one line."""
        return str(self.recipe)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self.past)

    def request(self) -> Request:
        """Return the generation that all this asks for."""
        return Request(
            self.prompt,
            self.recipe_text,
            self.sampling,
            self.baseline,
            self.raw,
            hooks=self.hooks,
            hook_file=self.needed_hook_file,
        )

    @property
    def needed_hook_file(self) -> str | None:
        """The file of own hooks, where one of those that are on comes from it: it is run for no other reason."""
        return self.hook_file if any(spec.kind == FILE and spec.enabled for spec in self.hooks) else None

    # The recipe

    def toggle(self, name: str, default_recipe: str = "") -> Workbench:
        """Switch a concept off, or on as it was when it was switched off, else as `default_recipe` says."""
        if any(term.name == name for term in self.terms):
            return self._switched_off(name)
        parked = tuple(term for term in self.parked if term.name == name)
        added = parked or edit.starting_terms(name, default_recipe)
        rest = tuple(term for term in self.parked if term.name != name)
        return self._edited(terms=(*self.terms, *added), selected=len(self.terms), parked=rest)

    def _switched_off(self, name: str) -> Workbench:
        kept = tuple(term for term in self.terms if term.name != name)
        gone = tuple(term for term in self.terms if term.name == name)
        before = sum(term.name != name for term in self.terms[: self.selected])
        others = tuple(term for term in self.parked if term.name != name)
        parked = (*others, *gone)[-MAX_PARKED:]
        return self._edited(terms=kept, selected=_within(before, kept), parked=parked)

    def change_strength(self, delta: float) -> Workbench:
        """Make the selected term stronger by `delta`."""
        term = self.selected_term
        return self if term is None else self.set_strength(term.strength + delta)

    def set_strength(self, strength: float) -> Workbench:
        """Put the selected term at a strength, rounded to four decimals."""
        return self._with_term(lambda term: edit.with_strength(term, strength))

    def move_layers(self, delta: int, layer_count: int, best: tuple[int, ...]) -> Workbench:
        """Move the selected term's layers in a model of `layer_count` blocks; its vector recommends those of `best`."""
        return self._with_term(lambda term: edit.move_layers(term, delta, layer_count, best))

    def resize_layers(self, delta: int, layer_count: int, best: tuple[int, ...]) -> Workbench:
        """Give the selected term a layer more, or one fewer."""
        return self._with_term(lambda term: edit.resize_layers(term, delta, layer_count, best))

    def next_operation(self) -> Workbench:
        """Walk to the next operation of the selected term."""
        return self._with_term(edit.next_operation)

    def next_scope(self) -> Workbench:
        """Walk to the next scope of the selected term."""
        return self._with_term(edit.next_scope)

    def set_recipe(self, text: str) -> Workbench:
        """Put another recipe in place; the selected concept stays selected if it is still there.

        Raises:
            RecipeError: The text is no recipe; the message names the column.
        """
        terms = parse_recipe(text).terms
        name = self.selected_term.name if self.selected_term else ""
        same = [index for index, term in enumerate(terms) if term.name == name]
        selected = self.selected if self.selected in same else next(iter(same), _within(self.selected, terms))
        return self._edited(terms=terms, selected=selected)

    def rename(self, old: str, new: str) -> Workbench:
        """Call a vector by another name; the settings of its terms stay."""
        terms, parked = (tuple(edit.renamed(term, old, new) for term in some) for some in (self.terms, self.parked))
        return self._edited(terms=terms, parked=parked)

    def clear_recipe(self) -> Workbench:
        """Take every term out."""
        return self._edited(terms=(), selected=0)

    def select(self, index: int) -> Workbench:
        """Select a term by its place, the nearest one where there is none."""
        return replace(self, selected=_within(index, self.terms), is_typing=False)

    def select_name(self, name: str) -> Workbench:
        """Select the first term of a concept; nothing changes where the recipe has none."""
        found = [index for index, term in enumerate(self.terms) if term.name == name]
        return self.select(found[0]) if found else self

    # Hooks

    def set_hooks(self, hooks: tuple[HookSpec, ...], hook_file: str | None = None) -> Workbench:
        """Put other hooks in place; the file of own hooks stays unless another is named."""
        return self._edited(hooks=hooks, hook_file=hook_file or self.hook_file)

    # The prompt

    def set_prompt(self, text: str) -> Workbench:
        """Put another prompt in place, cleaned: one change, whatever came before."""
        return self._edited(prompt=clean(text))

    def type_prompt(self, text: str) -> Workbench:
        """Put another prompt in place as one change with the typing before it, so that undo takes all of it back."""
        prompt = clean(text)
        if not (self.is_typing and self.past):
            after = self._edited(prompt=prompt)
            return after if after is self else replace(after, is_typing=True)
        if prompt == self.past[-1].prompt:  # typed and taken back: nothing to undo
            return replace(self, prompt=prompt, past=self.past[:-1], is_typing=False)
        return replace(self, prompt=prompt)

    def end_typing(self) -> Workbench:
        """Let the next typing be a change of its own."""
        return replace(self, is_typing=False)

    # Settings, which undo leaves alone

    def set_sampling(self, sampling: Sampling) -> Workbench:
        """Choose how tokens are drawn."""
        return replace(self, sampling=sampling)

    def set_seed(self, seed: int) -> Workbench:
        """Choose the seed of the next run."""
        return replace(self, sampling=replace(self.sampling, seed=seed))

    def set_baseline(self, is_on: bool) -> Workbench:
        """Choose whether the unsteered text is generated beside the steered one."""
        return replace(self, baseline=is_on)

    def set_raw(self, is_on: bool) -> Workbench:
        """Choose whether the chat template is bypassed."""
        return replace(self, raw=is_on)

    def set_model(self, ref: str) -> Workbench:
        """Note which model is in use."""
        return replace(self, model_ref=ref)

    def set_theme(self, name: str | None) -> Workbench:
        """Note which theme is in use."""
        return replace(self, theme=name)

    def set_layout(self, layout: Layout) -> Workbench:
        """Note what is in front."""
        return replace(self, layout=layout)

    # Undo

    def undo(self) -> Workbench:
        """Bring back what was before the last change of recipe, hooks or prompt."""
        if not self.past:
            return self
        return self._restored(self.past[-1], self.past[:-1], (*self.future, self._draft()))

    def redo(self) -> Workbench:
        """Make the last undone change again."""
        if not self.future:
            return self
        return self._restored(self.future[-1], (*self.past, self._draft()), self.future[:-1])

    def _restored(self, draft: Draft, past: tuple[Draft, ...], future: tuple[Draft, ...]) -> Workbench:
        return replace(
            self,
            prompt=draft.prompt,
            terms=draft.terms,
            selected=draft.selected,
            parked=draft.parked,
            hooks=draft.hooks,
            hook_file=draft.hook_file,
            past=past,
            future=future,
            is_typing=False,
        )

    def _draft(self) -> Draft:
        return Draft(self.prompt, self.terms, self.selected, self.parked, self.hooks, self.hook_file)

    def _with_term(self, change: Callable[[Term], Term]) -> Workbench:
        """Return this with the selected term changed."""
        term = self.selected_term
        if term is None:
            return self
        at = self.selected
        return self._edited(terms=(*self.terms[:at], change(term), *self.terms[at + 1 :]))

    def _edited(self, **changes: Any) -> Workbench:
        """Return this with some fields changed and what was before kept for undo; itself where nothing changes."""
        after = replace(self, **changes)
        if after._draft() == replace(self._draft(), selected=after.selected, parked=after.parked):
            return self
        return replace(after, past=(*self.past, self._draft())[-MAX_UNDO:], future=(), is_typing=False)


def _within(index: int, terms: tuple[Term, ...]) -> int:
    return min(max(index, 0), max(len(terms) - 1, 0))
