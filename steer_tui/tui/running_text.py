"""What is said within texts that stream: where another recipe or other hooks came into force, how an answer begins.

Knows nothing of screens: it is given requests, steps and panes.
"""

from __future__ import annotations

from collections.abc import Sequence

from steer_tui.engine.hookvalues import HookSpec
from steer_tui.engine.recipe import Recipe, Term, format_layers, format_number, parse_recipe
from steer_tui.engine.types import Change, ModelInfo, Request, Token
from steer_tui.errors import RecipeError
from steer_tui.tui.hook_words import describe_hooks
from steer_tui.tui.widgets.stream_text import StreamText

ENDINGS = {"stop": "ended", "length": "limit", "cancelled": "stopped"}


class RunningText:
    """The texts of the newest run."""

    def __init__(self) -> None:
        self.recipe = ""
        """In force at the newest token."""
        self.hooks: tuple[HookSpec, ...] = ()
        """In force at the newest token."""
        self._unbroken: set[StreamText] = set()
        """Panes of a chat that show no answer yet."""

    def begin(self, request: Request, info: ModelInfo | None, panes: Sequence[StreamText]) -> None:
        """Forget the run before; `panes` will show the texts of this one."""
        self.recipe, self.hooks = request.recipe, request.hooks
        is_chat = info is not None and info.has_chat_template and not request.raw
        self._unbroken = set(panes) if is_chat else set()

    def begin_answer(self, pane: StreamText, text: str) -> None:
        """Begin an answer on a line of its own, unless it goes on with the prompt's sentence."""
        if text and pane in self._unbroken:
            self._unbroken.discard(pane)
            if not text[0].isspace():
                pane.append("\n", "prompt")

    def mark(self, pane: StreamText, change: Change, token: Token | None) -> None:
        """Put a mark before a token where another recipe or other hooks came into force."""
        words = []
        if change.recipe != self.recipe:
            words.append(describe_change(self.recipe, change.recipe))
            self.recipe = change.recipe
        if change.hooks is not None:
            words.append(describe_hooks(self.hooks, change.hooks))
            self.hooks = change.hooks
        if text := ", ".join(filter(None, words)):
            pane.append_mark(text, apart=begins_word(token))


def begins_word(token: Token | None) -> bool:
    """Say whether a token stands apart from the text before it; none does."""
    return token is None or token.text[:1].isspace()


def describe_change(before: str, after: str) -> str:
    """Return what a live change changed, such as `happy:2.5` or `happy:2@4-5, -sad`; the whole recipe where unsure."""
    try:
        old, new = parse_recipe(before), parse_recipe(after)
    except RecipeError:
        return after or "off"
    return ", ".join(_differences(old, new)) or after or "off"


def _differences(old: Recipe, new: Recipe) -> list[str]:
    was = {term.name: term for term in old.terms}
    now = {term.name: term for term in new.terms}
    words = []
    for name, term in now.items():
        if name not in was:
            words.append(f"+{term}")
        elif term != was[name]:
            words.append(_changed_parts(was[name], term))
    return words + [f"-{name}" for name in was if name not in now]


def _changed_parts(old: Term, new: Term) -> str:
    text = new.name
    if new.strength != old.strength:
        text += f":{format_number(new.strength)}"
    if new.layers != old.layers:
        text += f"@{format_layers(new.layers)}"
    if new.op != old.op:
        text += f"~{new.op}"
    if new.scope != old.scope:
        text += f"/{new.scope}"
    return text
