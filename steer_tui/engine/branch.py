"""One text of a run as it grows: ids, text, and sums of its statistics."""

from __future__ import annotations

from collections.abc import Sequence

from steer_tui.engine.decode import Drawn
from steer_tui.engine.detokenize import Detokenizer
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.types import Finish, LayerActivation, Stats, Text, Token


class Branch:
    """The steered or the unsteered text."""

    def __init__(self, lm: LanguageModel, prompt_ids: Sequence[int]) -> None:
        self._detokenizer = Detokenizer(lm.tokenizer, prompt_ids)
        self._pieces: list[str] = []
        self.ids: list[int] = []
        self._logprobs: list[float] = []
        self._finish: Finish | None = None
        """None while the text has not ended by itself."""
        self._layers: tuple[int, ...] = ()
        self._sums: list[list[float]] = []

    def take(self, drawn: Drawn) -> Token:
        """Add a token and return it with the text that it completes."""
        self.ids.append(drawn.id)
        self._logprobs.append(drawn.logprob)
        text = "" if drawn.finish == "stop" else self._detokenizer.push(drawn.id)
        if drawn.finish is not None:
            self._finish = drawn.finish
            text += self._detokenizer.flush()
        self._pieces.append(text)
        if drawn.stats is not None:
            self._sum(drawn.stats)
        return Token(drawn.id, text, drawn.logprob, drawn.steered, drawn.stats)

    def text(self, is_stopped: bool) -> Text:
        """Return what there is; where it has not ended by itself, the run was stopped or had room for no token."""
        finish: Finish = self._finish or ("cancelled" if is_stopped else "length")
        self._pieces.append(self._detokenizer.flush())
        return Text("".join(self._pieces), tuple(self.ids), tuple(self._logprobs), finish)

    def activations(self) -> tuple[LayerActivation, ...]:
        """Return each layer's statistics, averaged over the generated tokens."""
        count = len(self.ids)
        return tuple(
            LayerActivation(layer, *(total[place] / count for total in self._sums))
            for place, layer in enumerate(self._layers)
        )

    def _sum(self, stats: Stats) -> None:
        if not self._sums:
            self._layers = stats.layers
            self._sums = [[0.0] * len(stats.layers) for _ in range(3)]
        for total, values in zip(self._sums, (stats.mean, stats.std, stats.norm), strict=True):
            for place, value in enumerate(values):
                total[place] += value
