"""Vectors of the concepts there are, in one pass: those that the model lacks, or all by another method."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from steer_tui.engine.extractchoices import METHODS, parse_read
from steer_tui.errors import UsageError
from steer_tui.session.library_messages import MakeVectors
from steer_tui.session.messages import VectorSummary
from steer_tui.session.pair_judge import counted
from steer_tui.tui.screens.concept_form import read_options
from steer_tui.tui.screens.form import FormDialog
from steer_tui.tui.widgets.choices import Choices, Option
from steer_tui.tui.widgets.pane import Part

MISSING, ALL = "missing", "all"
BESIDE, SAME = "beside", "same name"


class MakeForm(FormDialog[MakeVectors]):
    """Answers with what is to be made; None where nothing is."""

    TITLE = "Vectors from concepts"
    LINES = 3
    DO = "make them"

    def __init__(self, concepts: Sequence[VectorSummary]) -> None:
        super().__init__()
        self._lacking = tuple(item.name for item in concepts if not item.has_vector and not item.problem)
        self._all = tuple(item.name for item in concepts if item.is_concept and not item.problem)
        lacking = f"{len(self._lacking)} of {len(self._all)} concepts have no vector for this model"
        self._own = frozenset(item.name for item in concepts if item.has_vector and not item.bundled)
        self.which = Choices("which", [Option(MISSING, lacking), Option(ALL, f"all {len(self._all)} concepts")])
        self.which.value = MISSING if self._lacking else ALL
        self.method = Choices("method", [Option(name, help) for name, help in METHODS.items()])
        self.read = Choices("read", read_options())
        self.names = Choices(
            "names",
            [
                Option(BESIDE, "named for the method too, such as happy-pca: nothing is replaced"),
                Option(SAME, "your own vector of a concept's name is used in place of the built-in one"),
            ],
        )

    def fields(self) -> Iterable[Widget]:
        """Return which, how and under what names."""
        yield self.which
        yield self.method
        yield self.read
        yield self.names

    @property
    def _names(self) -> tuple[str, ...]:
        return self._lacking if self.which.value == MISSING else self._all

    @property
    def _suffix(self) -> str:
        return f"-{self.method.value}" if self.which.value == ALL and self.names.value == BESIDE else ""

    def judge(self) -> Sequence[Part]:
        """Return what will be made, or what is wrong."""
        self.button.is_ready = False
        try:
            parse_read("after:" if self.read.value == "after" else self.read.value)
        except UsageError as error:
            return [(error.message, "warning"), (error.hint or "", "muted")]
        names = self._names
        if not names:
            return [("every concept has its vector: choose all", "muted")]
        self.button.is_ready = True
        shown = ", ".join(f"{name}{self._suffix}" for name in names)
        made = f"{counted(len(names), 'vector')} in one pass"
        earlier = sum(f"{name}{self._suffix}" in self._own for name in names)
        if earlier:
            made += f"; {counted(earlier, 'earlier one')} of yours {'goes' if earlier == 1 else 'go'} to the trash"
        return [(made, "good"), (shown, "muted")]

    def submit(self) -> None:
        """Answer."""
        read = str(parse_read(self.read.value))
        self.dismiss(MakeVectors(self._names, self.method.value, read, self._suffix))
