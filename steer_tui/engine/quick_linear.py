"""Faster linear layers in float32 on a CPU.

torch leaves such a product to MKL, which on processors other than Intel's reaches about half of what they can do
(measured with torch 2.13 on an EPYC with AVX-512: 200 of 450 GFLOP/s with many rows, half of the memory bandwidth with
one to eight). Two other forms may do better: oneDNN's product, and MKL's own the other way round, `weight @ x.T`, a
single row as two equal columns. Which one is quickest is timed on the model's own weights once, for every shape of
weights and every class of row counts, and kept where a file for it is given. Replaced only while a pass or a run lasts,
and never where gradients are asked for.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from steer_tui.engine.timings import keep_choices, machine_key, read_choices

if TYPE_CHECKING:
    from steer_tui.engine.model import LanguageModel

MOST_ROWS = 8
"""Up to here, every number of rows is a class of its own."""
CLASSES = {16: 24, 48: 96}
"""What is timed for more rows, and below how many it is meant."""
MANY = 256
"""Timed for all others."""
SIZES = (16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
"""Rows that oneDNN is given at a time, where they are more than a few."""
_ROUNDS = 7
_SAMPLE_BYTES = 96 * 2**20
"""Weights that are timed: more than a cache holds, as a decode step reads all of them once."""
_MANY_BYTES = 6 * 2**20
"""Likewise for many rows, where the processor is what is waited for; a part of the weights of larger layers."""
_MOST_SECONDS = 0.5
"""When no further round is begun."""
_GAIN = 0.9
"""Take another form only where it needs at most this share of the time."""
_AGREEMENT = 1e-4
"""How far a form's product may be from torch's, relative to its norm."""

Form = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Takes the rows (..., in), the weights (out, in) and the bias; returns (..., out)."""


def as_columns(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the product from `weight @ x.T`, a single row doubled."""
    # The product of a layer before is a transposed view: the quick kernel wants rows that lie in one piece.
    rows = hidden.reshape(-1, hidden.shape[-1]).contiguous()
    count = rows.shape[0]
    if count == 1:
        rows = torch.cat([rows, rows])
    out = torch.mm(weight, rows.t())[:, :count].t()
    if bias is not None:
        out = out + bias
    return out.reshape(*hidden.shape[:-1], -1)


def by_onednn(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the product as oneDNN computes it.

    It prepares itself for every number of rows anew and keeps what it prepared, about as much memory as the rows need.
    So more than a few go in pieces of a handful of sizes, the last one filled up.
    """
    rows = hidden.reshape(-1, hidden.shape[-1])
    count = rows.shape[0]
    if count <= MOST_ROWS:
        return _onednn(hidden, weight, bias)
    pieces = []
    for piece in rows.split(SIZES[-1]):
        size = next(size for size in SIZES if size >= piece.shape[0])
        filled = piece if size == piece.shape[0] else F.pad(piece, (0, 0, 0, size - piece.shape[0]))
        pieces.append(_onednn(filled, weight, bias)[: piece.shape[0]])
    out = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    return out.reshape(*hidden.shape[:-1], -1)


def _onednn(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    bias = None if bias is None else bias.contiguous()  # its stride would be ignored
    out: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, weight, bias, "none", [], "")
    return out


FORMS: dict[str, Form] = {"columns": as_columns, "onednn": by_onednn}
"""Beside torch's own, by the names under which choices are kept."""
OWN = "torch"
Trial = Callable[[str, Tensor], Tensor]
"""(name of a form, rows) -> product."""


def class_of(rows: int) -> int:
    """Return the number of rows that is timed in place of `rows`."""
    if rows <= MOST_ROWS:
        return rows
    return next((timed for timed, end in CLASSES.items() if rows < end), MANY)


class _Layer:
    """A linear layer that other forms can stand in for."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.plain: Callable[[Tensor], Tensor] = type(module).forward.__get__(module)
        self.is_turned = isinstance(module, Conv1D)
        self.out, self.width = self.weight.shape
        self.shape = f"{self.out}x{self.width}{'t' if self.is_turned else ''}"
        self.bytes = self.weight.numel() * self.weight.element_size()

    @property
    def weight(self) -> Tensor:
        """(out, in), whichever way it is kept."""
        weight: Any = self.module._parameters["weight"]
        return weight.t() if self.is_turned else weight

    @property
    def bias(self) -> Tensor | None:
        """(out,), None where there is none."""
        return self.module._parameters["bias"]

    def trial(self, most: int) -> Trial:
        """Return what computes the layer in a form, with no more than `most` bytes of its weights."""
        count = max(1, min(self.out, most // (4 * self.width)))
        weight, bias = self.weight[:count], None if self.bias is None else self.bias[:count]

        def compute(form: str, hidden: Tensor) -> Tensor:
            if form != OWN:
                return FORMS[form](hidden, weight, bias)
            if self.is_turned and bias is not None:
                return torch.addmm(bias, hidden.flatten(0, -2), weight.t())
            return F.linear(hidden, weight, bias)

        return compute


class QuickLinear:
    """Knows for one model which form is quickest for which layers and how many rows."""

    def __init__(self, model: nn.Module, timings: Path | None = None) -> None:
        """Prepare; nothing is timed yet.

        Args:
            model: Whose linear layers are meant.
            timings: File that keeps the choices, so that other processes make the same.
        """
        self._layers = [_Layer(module) for module in model.modules() if _is_plain(module)]
        self._timings = timings
        self._shapes = sorted({layer.shape for layer in self._layers})
        self._key = machine_key(self._shapes)
        kept = read_choices(timings, self._key)
        known = {f"{shape}/{rows}" for shape in self._shapes for rows in [*range(1, MOST_ROWS + 1), *CLASSES, MANY]}
        self._chosen = {name: form for name, form in kept.items() if name in known and form in (OWN, *FORMS)}

    def prepare(self, rows: int, tokens: int = 0) -> list[int]:
        """Time what is not known yet for decode steps of 1 to `rows` rows and passes of `tokens`, once.

        Returns the classes that these need, whatever else is known: so that a run computes the same whenever it comes.
        """
        most = max(rows, tokens)
        classes = [timed for timed in (*CLASSES, MANY) if most > MOST_ROWS and timed <= class_of(most)]
        wanted = [*range(1, min(rows, MOST_ROWS) + 1), *classes]
        missing = [one for one in wanted if not all(f"{shape}/{one}" in self._chosen for shape in self._shapes)]
        if missing and self._layers:
            for count in missing:
                self._chosen |= {f"{shape}/{count}": form for shape, form in self._quickest(count).items()}
            keep_choices(self._timings, self._key, self._chosen)
        return wanted

    @contextmanager
    def installed(self, rows: int, tokens: int = 0) -> Iterator[None]:
        """Use the quickest forms inside; plain modules again afterwards, whatever was raised."""
        wanted = self.prepare(rows, tokens)
        forms = {shape: self._forms_of(shape, wanted) for shape in self._shapes}
        layers = [layer for layer in self._layers if _is_plain(layer.module)]  # it may have been cast since, or moved
        replaced = []
        try:
            for layer in layers:
                if forms[layer.shape]:
                    layer.module.__dict__["forward"] = _forward_of(layer, forms[layer.shape])
                    replaced.append(layer.module)
            yield
        finally:
            for module in replaced:
                module.__dict__.pop("forward", None)

    def _forms_of(self, shape: str, classes: Iterable[int]) -> dict[int, Form]:
        """Return the forms that take the place of torch's, by class of row counts."""
        names = {rows: self._chosen.get(f"{shape}/{rows}", OWN) for rows in classes}
        return {rows: FORMS[name] for rows, name in names.items() if name != OWN}

    def _sample(self, rows: int) -> list[tuple[str, Trial, Tensor]]:
        """Return what is timed with which rows, below its shape: the first layers, and one of every shape."""
        is_many = rows > MOST_ROWS
        room, most = (_MANY_BYTES, _MANY_BYTES) if is_many else (_SAMPLE_BYTES, 4 * _SAMPLE_BYTES)
        found, seen = [], set()
        for layer in self._layers:
            if room > 0 or layer.shape not in seen:
                found.append((layer.shape, layer.trial(most), torch.randn(rows, 1, layer.width)))
                seen.add(layer.shape)
                room -= layer.bytes
        return found

    def _quickest(self, rows: int) -> dict[str, str]:
        """Return the form to take for every shape of weights."""
        sample = self._sample(rows)
        with torch.inference_mode():
            forms = [OWN, *(form for form in FORMS if all(_agrees(form, *one[1:]) for one in sample))]
            taken: dict[tuple[str, str], list[float]] = {}
            end = time.perf_counter() + _MOST_SECONDS
            for turn in range(_ROUNDS):
                if turn and time.perf_counter() > end:
                    break
                for form in forms:
                    for shape, compute, hidden in sample:
                        begin = time.perf_counter()
                        compute(form, hidden)
                        taken.setdefault((shape, form), []).append(time.perf_counter() - begin)
        seconds = {key: statistics.median(found) for key, found in taken.items()}
        quickest = {}
        for shape in {shape for shape, _, _ in sample}:
            best = min(forms, key=lambda form: seconds[shape, form])
            quickest[shape] = best if seconds[shape, best] < _GAIN * seconds[shape, OWN] else OWN
        return quickest


def quick_linear(lm: LanguageModel) -> QuickLinear:
    """Return what is known of quick linear layers for this model; timed once per model."""
    known = getattr(lm, "_quick_linear", None)
    if known is None:
        known = QuickLinear(lm.model, lm.timings)
        lm._quick_linear = known  # type: ignore[attr-defined]
    return known


def _forward_of(layer: _Layer, forms: Mapping[int, Form]) -> Callable[[Tensor], Tensor]:
    width, plain = layer.width, layer.plain

    def forward(hidden: Tensor) -> Tensor:
        form = forms.get(class_of(hidden.numel() // width))
        if form is None or torch.is_grad_enabled():
            return plain(hidden)
        return form(hidden, layer.weight, layer.bias)  # as they are now: a hook may have put others in their place

    return forward


def _agrees(form: str, compute: Trial, hidden: Tensor) -> bool:
    """Say whether a form can be had for a layer, and gives what torch gives."""
    wanted = compute(OWN, hidden).flatten(0, -2)
    try:
        found = compute(form, hidden).flatten(0, -2)
    except (RuntimeError, AttributeError, NotImplementedError):  # a torch without oneDNN, or without this name for it
        return False
    return bool((found - wanted).norm() <= _AGREEMENT * wanted.norm())


def _is_plain(module: nn.Module) -> bool:
    """Say whether a module is a float32 linear layer on the CPU and nothing more."""
    if type(module) not in (nn.Linear, Conv1D) or "forward" in module.__dict__:
        return False
    weight = module._parameters.get("weight")
    return weight is not None and weight.numel() > 0 and weight.dtype == torch.float32 and weight.device.type == "cpu"
