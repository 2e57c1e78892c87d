"""Loads a causal language model by name: finds its files, checks what can be checked beforehand, reads the weights.

Promises one ModelError with a hint for whatever is wrong, no pickle, no program from the model's author but its chat
template, nothing printed, and that a load which fails or is cancelled leaves nothing behind.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from steer_tui.engine.checkpoint import Checkpoint, causal_config, open_checkpoint
from steer_tui.engine.loaderrors import explained
from steer_tui.engine.memory import device_free, host_free, human, needed_bytes
from steer_tui.engine.model import LanguageModel
from steer_tui.engine.modelfiles import Tensors, read_config
from steer_tui.engine.models import list_models, next_smaller
from steer_tui.engine.placement import Placement, choose_placement, has_accelerate
from steer_tui.engine.progress import OnProgress, Progress, ShouldStop
from steer_tui.engine.quick_linear import MANY, quick_linear
from steer_tui.engine.source import Source, find_source
from steer_tui.engine.weights import is_rounded_further, read_tokenizer, read_weights, stored_reader
from steer_tui.errors import OutOfMemory

_ROWS = 2
"""Steered beside unsteered: how to decode so many rows is timed at the load, not in the first run."""


def load_model(
    ref: str,
    device: str = "auto",
    dtype: str = "auto",
    device_map: str | None = None,
    offline: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    timings: Path | None = None,
) -> LanguageModel:
    """Load the model that `ref` names.

    Args:
        ref: `demo`, a local folder, a `.gguf` file, or a hub id; the local cache comes before a download.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device_map: `auto` spreads the model over several GPUs.
        offline: True forbids every network call.
        on_progress: Called with (fraction or None, note) as stages and weights go by.
        should_stop: Asked between stages and between tensors; True ends the load.
        timings: File that keeps which way to compute was timed to be quicker, for the same text in every process.

    Raises:
        ModelError: The model cannot be found or loaded; `OutOfMemory` where it does not fit.
        UsageError: Device, dtype or device map is wrong.
        Cancelled: `should_stop` said so.
    """
    progress = Progress(on_progress, should_stop)
    placement = choose_placement(device, dtype, device_map)
    progress.say(None, "importing transformers")
    from steer_tui.engine.quiet import quietly

    with quietly(progress):
        approve = partial(_approve_download, ref, placement)
        progress.say(None, "looking for the model")
        with explained(f"{ref!r}"):
            source = find_source(ref, offline, progress, approve)
        return _load(source, placement, progress, timings)


def _load(source: Source, placement: Placement, progress: Progress, timings: Path | None) -> LanguageModel:
    """Load a model whose files are here."""
    progress.say(None, "reading config and tokenizer")
    with explained(source.id):
        checkpoint = open_checkpoint(source)
    with explained(f"the tokenizer of {source.id}"):
        tokenizer = read_tokenizer(source)
    check_memory(source.id, checkpoint.tensors, checkpoint.facts, placement)
    progress.say(0.0, "loading weights")
    with explained(source.id):
        model = read_weights(source, checkpoint, placement)
        progress.say(None, "finding the blocks")
        lm = _wrapped(source, checkpoint, model, tokenizer)
        lm.timings = timings
        quick_linear(lm).prepare(_ROWS, MANY)
        return lm


def _wrapped(source: Source, checkpoint: Checkpoint, model: Any, tokenizer: Any) -> LanguageModel:
    stored = None
    if checkpoint.files and is_rounded_further(model.dtype):
        stored = stored_reader(checkpoint.files, model.base_model_prefix)
    return LanguageModel(model, tokenizer, ref=source.ref, id=source.id, stored=stored)


def _approve_download(ref: str, placement: Placement, folder: Path, size: int) -> None:
    """Refuse what could not be used, before gigabytes are fetched."""
    causal_config(folder, ref)
    facts = read_config(folder)
    kept = Tensors(0, size)
    stored_bits = 4 if str(facts.get("dtype", facts.get("torch_dtype"))) == "float32" else 2
    is_packed = "quantization_config" in facts
    check_memory(ref, kept if is_packed else Tensors(size // stored_bits, 0), facts, placement)


def check_memory(name: str, tensors: Tensors, facts: dict[str, Any], placement: Placement) -> None:
    """Make sure that a model fits before any of it is read.

    Raises:
        OutOfMemory: It does not; the hint names the next smaller model that does.
    """
    needed = needed_bytes(tensors, placement.dtype.itemsize, facts)
    rooms = [device_free(placement.device, placement.spread)]
    if placement.device.type == "cuda" and not has_accelerate():  # then it passes through main memory
        rooms.append(host_free())
    free = min((room for room in rooms if room is not None), default=needed)
    if needed <= free:
        return
    smaller = next_smaller(needed, list_models())
    raise OutOfMemory(
        f"{name} needs about {human(needed)} of memory, {human(free)} is free on {placement.device}",
        hint=f"load the next smaller one: {smaller}" if smaller else "free some memory, or choose a smaller model",
    )
