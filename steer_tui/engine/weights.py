"""Reads a checkpoint's weights and tokenizer through transformers: safetensors or GGUF, never a pickle.

Promises that a model whose files lack weights is refused, never filled with random numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steer_tui.engine.checkpoint import Checkpoint
from steer_tui.engine.fingerprint import Stored
from steer_tui.engine.modelfiles import has_tokenizer, read_header
from steer_tui.engine.placement import Placement, has_accelerate
from steer_tui.engine.source import Source
from steer_tui.errors import ModelError


def read_weights(source: Source, checkpoint: Checkpoint, placement: Placement) -> Any:
    """Return the transformers model, on its device.

    Raises:
        ModelError: The files lack some of the model's weights.
    """
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": placement.dtype, "local_files_only": True, "trust_remote_code": False}
    options |= _gguf_options(source.gguf) if source.gguf else {"config": checkpoint.config, "use_safetensors": True}
    if placement.spread:
        options["device_map"] = "auto"
    elif placement.device.type != "cpu" and has_accelerate():  # straight to the device, main memory spared
        options["device_map"] = {"": placement.device}
    model, report = AutoModelForCausalLM.from_pretrained(source.folder, output_loading_info=True, **options)
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        raise ModelError(
            f"the weights of {source.id} lack {len(missing)} tensors, such as {missing[0]}",
            hint="it may have been saved without its unembedding; choose a complete model",
        )
    return model if "device_map" in options else model.to(placement.device)


def read_tokenizer(source: Source) -> Any:
    """Return the transformers tokenizer.

    Raises:
        ModelError: The folder holds none.
    """
    from transformers import AutoTokenizer

    if source.gguf is None and not has_tokenizer(source.folder):
        raise ModelError(
            f"{source.id} has no tokenizer", hint="put its tokenizer.json and tokenizer_config.json beside the weights"
        )
    options = {"gguf_file": source.gguf} if source.gguf else {}
    return AutoTokenizer.from_pretrained(source.folder, local_files_only=True, trust_remote_code=False, **options)


def stored_reader(files: tuple[Path, ...], base_prefix: str) -> Stored:
    """Return a function from parameter name to the tensor on disk, which is read lazily.

    Args:
        files: The safetensors files.
        base_prefix: What files may leave out in front of a name, such as `transformer`.
    """
    from safetensors import safe_open

    where = {name: path for path in files for name in read_header(path)}

    def stored(name: str) -> Tensor | None:
        for candidate in (name, name.removeprefix(f"{base_prefix}.")):
            if candidate in where:
                with safe_open(where[candidate], framework="pt") as file:
                    tensor: Tensor = file.get_tensor(candidate)
                    return tensor
        return None

    return stored


def is_rounded_further(dtype: torch.dtype) -> bool:
    """Return whether a load in `dtype` may lose what a fingerprint reads, so that it must read the files."""
    return dtype == torch.float16


def _gguf_options(name: str) -> dict[str, Any]:
    """Return the options for a `.gguf` file, unpacked to plain tensors so that every block can be read and steered."""
    options: dict[str, Any] = {"gguf_file": name}
    try:
        from transformers import GgufConfig
    except ImportError:  # older transformers know no packed loading and always unpack
        return options
    return options | {"quantization_config": GgufConfig(dequantize=True)}
