"""Writes a model with edited weights as an ordinary model folder that plain transformers loads.

Biases where there were none are kept only if the architecture's own config has a place for them (`attention_bias` and
`mlp_bias` for Llama); the other biases that the config then asks for are zero. The folder appears whole or not at all,
and what was written is loaded again and compared before it is kept.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.inference import forward
from steer_tui.engine.progress import Progress
from steer_tui.engine.quiet import quietly
from steer_tui.errors import LibraryError, ModelError, UsageError
from steer_tui.files import expanded

_FLAGS = ("attention_bias", "mlp_bias", "bias", "use_bias", "qkv_bias", "use_qkv_bias", "attn_bias", "enable_bias")
"""Config entries by which architectures switch biases on."""
NOTE = "steer_tui.json"
"""File in the folder that says what was edited."""


def export_model(lm: Any, folder: str | Path, *, check: bool = True) -> Path:
    """Write the model as it is now, edits included, and return the folder.

    Args:
        lm: The model.
        folder: Must not exist, or be empty.
        check: Load what was written and compare its logits; takes the memory of a second model.

    Raises:
        UsageError: The folder is taken, or the architecture has no place for a bias that was added.
        LibraryError: The folder cannot be written; nothing is left of it.
        ModelError: What was written does not give the same logits; nothing is left of it.
    """
    target = check_folder(folder)
    if getattr(lm.model.config, "quantization_config", None) is not None:
        raise UsageError("a quantized model cannot be exported", hint="load it unquantized")
    config, state = exported(lm)
    temporary = target.with_name(f".{target.name}-{secrets.token_hex(4)}.steer-tmp")
    try:
        temporary.mkdir(parents=True)
        with quietly(Progress(None, None)):
            _write(lm, config, state, temporary)
            if check:
                _compare(lm, temporary)
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except OSError as error:
        raise LibraryError(
            f"{target} cannot be written: {error.strerror or error}", hint="choose another folder, or make room"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def check_folder(folder: str | Path) -> Path:
    """Return where an export would go.

    Raises:
        UsageError: Something is there, or it is where one stands, which cannot be put in place as a whole.
    """
    target = expanded(folder)
    if not target.name or (os.path.exists(target) and (not target.is_dir() or any(target.iterdir()))):
        raise UsageError(f"{target} is there already", hint="name a new folder")
    return target


def exported(lm: Any) -> tuple[Any, dict[str, Tensor]]:
    """Return the config and the weights that an export of the model has.

    Raises:
        UsageError: The architecture has no place for a bias that was added.
    """
    model = lm.model
    state = dict(model.state_dict())
    config = copy.deepcopy(model.config)
    tied = lm.structure.unembed.weight is lm.structure.embed.weight
    if not tied:
        config.tie_word_embeddings = False
        config.get_text_config().tie_word_embeddings = False
    for flags in _flag_sets(config):
        trial = copy.deepcopy(config)
        for flag in flags:
            setattr(trial, flag, True)
        wanted = _names(model, trial)
        if wanted is not None and set(state) <= set(wanted):
            missing = {name: shape for name, shape in wanted.items() if name not in state}
            if all(name.endswith("bias") for name in missing):
                zeros = {name: torch.zeros(shape, dtype=lm.dtype) for name, shape in missing.items()}
                return trial, state | zeros
    added = [change.parameter for edit in lm.edits for change in edit.preview if change.is_new]
    raise UsageError(
        f"{model.config.model_type} models have no place for {added[0] if added else 'these weights'}",
        hint="fold the vector in where a layer has a bias, take a direction out of the weights, or keep the hook",
    )


def _flag_sets(config: Any) -> list[tuple[str, ...]]:
    """Return the sets of flags to try, the smallest first; none at all comes first."""
    off = [flag for flag in _FLAGS if getattr(config, flag, None) is False]
    return [flags for count in range(len(off) + 1) for flags in itertools.combinations(off, count)]


def _names(model: Any, config: Any) -> dict[str, torch.Size] | None:
    """Return name -> shape of the weights that a model of this config has; None where it cannot be built."""
    try:
        with torch.device("meta"):
            built = type(model)(config)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    return {name: tensor.shape for name, tensor in built.state_dict().items()}


def _write(lm: Any, config: Any, state: dict[str, Tensor], folder: Path) -> None:
    with torch.device("meta"):
        shell = type(lm.model)(config)
    config.dtype = lm.dtype
    shell.load_state_dict(state, strict=True, assign=True)
    shell.tie_weights()
    shell.generation_config = copy.deepcopy(lm.model.generation_config)
    shell.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    note = {
        "version": 1,
        "model": lm.info.id,
        "fingerprint": lm.info.fingerprint,
        "edits": [
            {"title": edit.title, "parameters": [change.parameter for change in edit.preview]} for edit in lm.edits
        ],
    }
    (folder / NOTE).write_text(json.dumps(note, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _compare(lm: Any, folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    words = lm.structure.embed.weight.shape[0]
    ids = (torch.arange(9) * 7919 % words).unsqueeze(0)
    again = AutoModelForCausalLM.from_pretrained(folder, dtype=lm.dtype).eval()
    with torch.inference_mode(), lm.layers.paused():
        ours = forward(lm, ids.to(lm.device), torch.ones_like(ids).to(lm.device)).logits.float().cpu()
        theirs = again(ids).logits.float()
    gap = float((ours - theirs).abs().max())
    digits = 64 if lm.dtype.itemsize >= 4 else 8
    room = digits * torch.finfo(lm.dtype).eps * max(1.0, float(ours.abs().max()))
    if not gap <= room:
        raise ModelError(
            f"the exported model's logits differ by {gap:.2g}",
            hint="the architecture cannot be exported; keep the hook",
        )
