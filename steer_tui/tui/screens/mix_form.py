"""A vector made of others: a weighted sum, an opposite, or what is left of one at right angles to the others."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from textual.widget import Widget

from steer_tui.errors import UsageError
from steer_tui.library.catalogue import Listed
from steer_tui.library.names import check_name
from steer_tui.session.library_messages import CombineVectors, Operation
from steer_tui.tui.screens.form import FormDialog, Line, row
from steer_tui.tui.widgets.choices import Choices, Option
from steer_tui.tui.widgets.pane import Part

OPERATIONS: dict[str, tuple[Operation, str]] = {
    "mix": ("mix", "the sum, each taken with its weight"),
    "negate": ("negate", "the opposite of the first"),
    "orthogonalise": ("orthogonalise", "what is left of the first without the others' directions"),
}
LONGEST = 40


class MixForm(FormDialog[CombineVectors]):
    """Answers with what is to be made; None where nothing is."""

    TITLE = "Mix"
    LINES = 3
    DO = "make it"

    def __init__(self, chosen: Sequence[Listed], taken: Collection[str]) -> None:
        super().__init__()
        self._entries = tuple(line.entry for line in chosen)
        self._taken = frozenset(taken)
        self.operation = Choices("do", [Option(name, help) for name, (_, help) in OPERATIONS.items()])
        self.operation.value = "mix" if len(self._entries) > 1 else "negate"
        self.weights_line = Line(" ".join("1" for _ in self._entries), id="weights")
        self.name_line = Line(self._suggestion(), id="name")

    def fields(self) -> Iterable[Widget]:
        """Return operation, weights and name."""
        yield self.operation
        yield row("weights", self.weights_line)
        yield row("name", self.name_line)

    @property
    def _operation(self) -> Operation:
        return OPERATIONS[self.operation.value][0]

    def _suggestion(self) -> str:
        """Return a name that says what it is, one that is free."""
        names = [entry.name for entry in self._entries]
        joined = {"mix": "-".join(names), "negate": f"not-{names[0]}"}.get(self._operation, f"{names[0]}-alone")
        base = name = joined[:LONGEST].rstrip("-.")
        number = 2
        while name in self._taken:
            name, number = f"{base}-{number}", number + 1
        return name

    def on_choices_changed(self) -> None:
        """Suggest another name; the form judges by itself."""
        self.name_line.value = self._suggestion()

    def _weights(self) -> list[float]:
        """Return the weights; raises ValueError where there are not as many numbers as vectors."""
        weights = [float(word) for word in self.weights_line.value.replace(",", " ").split()]
        if len(weights) != len(self._entries) or not all(map(math.isfinite, weights)):
            raise ValueError
        return weights

    def judge(self) -> Sequence[Part]:
        """Return what will be made, or what is wrong."""
        self.button.is_ready = False
        names = [entry.name for entry in self._entries]
        if self._operation != "negate" and len(names) < 2:
            return [("mark two or more vectors with space first", "warning")]
        try:
            check_name(self.name_line.value.strip())
            words = self._words(names)
        except UsageError as error:
            return [(error.message, "warning"), (error.hint or "", "muted")]
        except ValueError:
            return [(f"a number for each of {', '.join(names)}", "warning")]
        self.button.is_ready = True
        return [(words, "good")]

    def _words(self, names: Sequence[str]) -> str:
        if self._operation == "mix":
            terms = (f"{weight:+g} {name}" for weight, name in zip(self._weights(), names, strict=True))
            return " ".join(terms)
        if self._operation == "negate":
            return f"the opposite of {names[0]}"
        return f"{names[0]} without {', '.join(names[1:])}"

    def submit(self) -> None:
        """Answer."""
        weights = self._weights() if self._operation == "mix" else [1.0] * len(self._entries)
        entries = self._entries[:1] if self._operation == "negate" else self._entries
        terms = tuple(zip(entries, weights, strict=False))
        self.dismiss(CombineVectors(self._operation, check_name(self.name_line.value.strip()), terms))
