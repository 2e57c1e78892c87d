"""A new concept: a name, examples in any form that people write them, method and read position; then the vector.

Promises that what was typed is kept as a draft whatever ends the form, and that what the examples amount to is said
while they are typed. A long text or a file is read off the screen's thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget

from steer_tui.engine.extractchoices import METHODS, READS, parse_read
from steer_tui.errors import UsageError
from steer_tui.library.names import check_name
from steer_tui.session.concept_draft import ConceptDraft
from steer_tui.session.library_messages import ConceptMade, LibraryRefused, MakeConcept, ShowTokens, TokensShown
from steer_tui.session.messages import Event, ExtractProgress, LoadFailed, ModelLoaded, VectorSummary
from steer_tui.session.pair_judge import Judged, files_named, judge
from steer_tui.text import clean, one_line
from steer_tui.tui.background import in_background
from steer_tui.tui.numbers import bar
from steer_tui.tui.safe import pasted
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.screens.report import PageDialog
from steer_tui.tui.screens.tokens_dialog import TokenTexts
from steer_tui.tui.widgets.choices import Choices, Option
from steer_tui.tui.widgets.in_order import TextField
from steer_tui.tui.widgets.pane import Pane, Part

if TYPE_CHECKING:
    from steer_tui.tui.app import SteerApp

LARGEST = 4_000_000
"""Characters of examples."""
AT_ONCE = 20_000
"""Characters up to which examples are judged at every key."""
PAUSE = 0.3
"""Seconds of quiet before longer ones, or a file, are."""
TYPED_READS = {"last": "number", "after": "text"}
INVITATION = (
    "The streets were wet with rain. | The streets were dry and dusty.\n"
    "\n"
    "One `positive | negative` pair on each line; three are enough.\n"
    "Or paste CSV, JSON lines or TOML, write two words (Love - Hate),\n"
    "the path of a file, or of two (good.txt | plain.txt),\n"
    "or two system prompts (system: Be kind. | Be rude.)."
)


class Pairs(TextField):
    """The examples."""

    def __init__(self, text: str) -> None:
        super().__init__(
            clean(text),
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            highlight_cursor_line=False,
            compact=True,
            id="pairs",
            placeholder=Content(INVITATION),
        )
        self.border_title = Content("Pairs")

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()  # Textual would call the base class's handler once more
        event.text = pasted(event.text)[:LARGEST]
        await super()._on_paste(event)


class ConceptForm(FormDialog[ConceptMade]):
    """Answers with what was made; None where it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+t", "tokens", "tokens", show=False, priority=True)]
    TITLE = "New concept"
    FOOT = "ctrl+t shows the tokens that are read, esc leaves"
    WIDTH = 100
    LINES = 3
    DO = "make the vector"
    is_short: ClassVar[bool] = False

    def __init__(self, draft: ConceptDraft) -> None:
        super().__init__()
        self.name_line = Line(draft.name, id="name", hint="such as rain")
        self.pairs = Pairs(draft.text)
        self.method = Choices("method", [Option(name, help) for name, help in METHODS.items()])
        self.read = Choices("read", read_options())
        self.method.value, self.read.value = draft.method, draft.read
        self.judged = Judged(None, "")
        self._look_number = 0
        self._looked_at = ""
        """The examples that were judged last, or are being read."""
        self._is_stopping = False
        self._done: ExtractProgress | None = None
        """How far making is; None while nothing is being made."""

    @property
    def bench_app(self) -> SteerApp:
        """The app, by its own type."""
        return cast("SteerApp", self.app)

    def fields(self) -> Iterable[Widget]:
        """Return name, examples and how to read them."""
        self.box.add_class("tall")
        yield row("name", self.name_line)
        yield self.pairs
        yield self.method
        yield self.read

    def begin(self) -> None:
        """Begin where something is missing."""
        (self.pairs if self.name_line.value else self.name_line).focus()
        self.pairs.move_cursor(self.pairs.document.end)

    def fit_box(self) -> None:
        """Take the height that the screen has, up to what is pleasant."""
        super().fit_box()
        self.box.styles.height = min(30, self.app.size.height)

    # What is typed

    @property
    def draft(self) -> ConceptDraft:
        """What the form holds now."""
        return ConceptDraft(self.name_line.value, self.pairs.text, self.method.value, self.read.value)

    def on_text_area_changed(self) -> None:
        """Judge while typing."""
        self.look()

    def look(self) -> None:
        """Keep what is typed, and say what it amounts to."""
        self.bench_app.drafts.keep(self.draft)
        text = self._looked_at = self.pairs.text
        self._look_number += 1
        if len(text) <= AT_ONCE and not files_named(text):
            return self._show(self._look_number, judge(text))
        self.judged = Judged(None, "reading")
        self._show_words()
        self.set_timer(PAUSE, partial(self._look_slowly, self._look_number))

    def _look_slowly(self, number: int) -> None:
        if number == self._look_number:
            in_background(self.app, partial(judge, self.pairs.text), partial(self._show, number))

    def _show(self, number: int, judged: Judged) -> None:
        if number != self._look_number or not self.is_attached:
            return
        self.judged = judged
        if judged.pairs is not None and judged.pairs.name and not self.name_line.value:
            self.name_line.value = one_line(judged.pairs.name)
        self._show_words()

    def _show_words(self) -> None:
        self.words.show(self.judge())
        self.button.refresh()

    def judge(self) -> Sequence[Part]:
        """Return what the examples amount to, what is wrong, and what the name means."""
        problem = self._name_problem() or self._read_problem() or self._model_problem()
        self.button.is_ready = self.judged.pairs is not None and not problem
        first = (self.judged.words, "good" if self.judged.pairs is not None else "strong")
        second = (self.judged.problem, "warning") if self.judged.problem else (self.judged.hint, "muted")
        if self.judged.problem and self.judged.hint:
            second = (f"{self.judged.problem}: {self.judged.hint}", "warning")
        return [first, second, (problem, "warning") if problem else (self._name_note(), "muted")]

    def _name_problem(self) -> str:
        name = self.name_line.value.strip()
        if not name:
            return "it needs a name" if self.judged.pairs is not None else ""
        try:
            check_name(name)
        except UsageError as error:
            return f"{error.message} ({error.hint})"
        return ""

    def _read_problem(self) -> str:
        try:
            parse_read("after:" if self.read.value == "after" else self.read.value)
        except UsageError as error:
            return f"{error.message} ({error.hint})"
        return ""

    def _model_problem(self) -> str:
        status, pairs = self.bench_app.status, self.judged.pairs
        if status.info is None:
            return "" if status.loading else "no model yet: esc, then m chooses one"
        if pairs is not None and pairs.system is not None and not status.info.has_chat_template:
            return "this model has no chat template, which system prompts need"
        return ""

    def _name_note(self) -> str:
        """Return what it waits for, or what happens to a vector that has this name now."""
        if self.bench_app.status.loading:
            return "it is made as soon as the model is loaded"
        known: VectorSummary | None = self.bench_app.known.get(self.name_line.value.strip())
        if known is None or not known.has_vector:
            return ""
        if known.bundled:
            return f"your own {known.name} will be used in place of the built-in one"
        return f"your present {known.name} goes to the trash"

    # Making it

    def submit_now(self) -> None:
        """Have it made, if what was read makes sense."""
        if self.pairs.text != self._looked_at:
            self.look()
        self._show_words()
        if self.button.is_ready:
            self.submit()

    def submit(self) -> None:
        """Have it made."""
        if self._done is not None or self.judged.pairs is None:
            return
        app = self.bench_app
        if app.status.running is not None:
            return app.say("esc stops the run; then a vector can be made", "warning")
        self._show_progress(ExtractProgress(0, 1))
        name = check_name(self.name_line.value.strip())
        app.engine.send(MakeConcept(name, self.judged.pairs, self.method.value, str(parse_read(self.read.value))))

    def action_tokens(self) -> None:
        """Have it found out which tokens are read."""
        app = self.bench_app
        if self.judged.pairs is None or self._read_problem():
            return app.say("the tokens can be shown when there are pairs and a way to read them")
        app.engine.send(ShowTokens(self.judged.pairs, str(parse_read(self.read.value))))

    def take(self, event: Event) -> None:
        """Show how far it is, and what came of it."""
        if isinstance(event, ModelLoaded | LoadFailed):
            self._show_words()
        if isinstance(event, TokensShown):
            self.app.push_screen(PageDialog(TokenTexts(event.texts, event.read)))
        if isinstance(event, LibraryRefused) and not event.is_stopped:
            self.bench_app.complain(event.message, event.hint)
        if self._done is None:
            return
        if isinstance(event, ExtractProgress):
            self._show_progress(event)
        elif isinstance(event, ConceptMade):
            self._show_progress(None)
            if event.message is not None:
                self.bench_app.complain(event.message, event.hint)
            elif event.vector is not None:
                self.dismiss(event)
            else:
                self.bench_app.say("stopped: nothing was made")

    def _show_progress(self, done: ExtractProgress | None) -> None:
        self._done, self._is_stopping = done, self._is_stopping and done is not None
        self.button.words = self.DO
        if done is not None:
            self.button.words = f"{bar(done.done / max(1, done.total), 20, Pane.glyphs)} {done.done} of {done.total}"
        self.button.keys = "esc stops" if done is not None else "ctrl+enter, or ctrl+g"
        self.button.refresh()

    def action_leave(self) -> None:
        """Stop the making, or leave; what was typed is kept.

        A second time it leaves at once: what waits behind a load is stopped only when its turn comes.
        """
        if self._done is not None:
            self.bench_app.engine.stop_run()
            if not self._is_stopping:
                self._is_stopping = True
                return
        if not self.draft.is_blank:
            self.bench_app.say("kept as a draft: n goes on with it")
        self.dismiss(None)


def read_options() -> list[Option]:
    """Return the read positions as choices."""
    return [_read(spelling, help) for spelling, help in READS.items()]


def _read(spelling: str, help: str) -> Option:
    """Return a read position as a choice; `after:TEXT` becomes one that text is typed behind."""
    name = spelling.partition(":")[0]
    told = {"last": "the last token; type a number for more", "after": "the tokens after a text: type it"}
    return replace(Option(name, told.get(name, help)), takes=TYPED_READS.get(name, ""))
