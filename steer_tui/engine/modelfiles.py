"""What a model folder says of itself: its config, its weight files and how many numbers they hold. No torch.

Promises to read configurations and headers only, a bounded number of bytes of each, and to answer a broken folder with
one ModelError. Knows nothing of devices, nor of where the folder came from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steer_tui.errors import ModelError
from steer_tui.text import one_line

MAX_JSON = 64 << 20
MAX_HEADER = 100_000_000
"""Bytes of a safetensors header; the format's own limit."""
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F64": 64,
    "I64": 64,
    "U64": 64,
    "F32": 32,
    "I32": 32,
    "U32": 32,
}
_BITS |= {name: 16 for name in ("F16", "BF16", "I16", "U16")}
_CAUSAL = ("ForCausalLM", "LMHeadModel", "GenerationDecoder", "WithLMHead")
_CAUSAL_WITH_SIGHT = ("Gemma3ForConditionalGeneration", "Gemma3nForConditionalGeneration")
"""Models that also see, and that transformers loads as causal LMs."""


@dataclass(frozen=True, slots=True)
class Tensors:
    """What a set of safetensors files holds."""

    floats: int
    """Numbers of a floating type, which a load casts to the wanted one."""
    other_bytes: int
    """Bytes of everything else, such as packed integers, which a load keeps."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return the folder's config.json.

    Raises:
        ModelError: It is missing or no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelError(
                f"{shown(folder)} holds an adapter, not a model", hint="merge it into its model first, then load that"
            )
        raise ModelError(f"{shown(folder)} has no config.json", hint="name a folder in the Hugging Face layout")
    return read_object(path)


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON file's object.

    Raises:
        ModelError: The file cannot be read, is too large, or holds no JSON object.
    """
    hint = "download or save the model again"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JSON + 1)
        if len(data) > MAX_JSON:
            raise ModelError(f"{shown(path)} is larger than {MAX_JSON >> 20} MiB", hint=hint)
        value = json.loads(data)
    except OSError as error:
        raise ModelError(f"{shown(path)} cannot be read: {error.strerror}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{shown(path)} is broken: {one_line(str(error))[:120]}", hint=hint) from error
    if not isinstance(value, dict):
        raise ModelError(f"{shown(path)} is broken: it holds no JSON object", hint=hint)
    return value


def names_causal_lm(config: dict[str, Any]) -> bool:
    """Return whether the config's `architectures` name a causal LM."""
    names = config.get("architectures")
    if not isinstance(names, list):
        return False
    return any(isinstance(name, str) and (name.endswith(_CAUSAL) or name in _CAUSAL_WITH_SIGHT) for name in names)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the folder's safetensors files.

    Raises:
        ModelError: There are none, some are missing, or the weights are pickles, which are never loaded.
    """
    whole = folder / WEIGHTS
    if whole.is_file():
        return (whole,)
    index = folder / INDEX
    if index.is_file():
        return _shards(folder, read_object(index))
    if any(next(folder.glob(pattern), None) for pattern in PICKLES):
        raise ModelError(
            f"{shown(folder)} holds pickled weights, which can run any program and are never loaded",
            hint="convert them to safetensors first: `save_pretrained` of transformers writes that",
        )
    raise ModelError(f"{shown(folder)} has no {WEIGHTS}", hint="download or save the model again")


def _shards(folder: Path, index: dict[str, Any]) -> tuple[Path, ...]:
    """Return the files that an index names, all of them there and directly in the folder."""
    weight_map = index.get("weight_map")
    names = sorted({str(name) for name in weight_map.values()}) if isinstance(weight_map, dict) else []
    if not names:
        raise ModelError(f"{shown(folder / INDEX)} names no files", hint="download or save the model again")
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(
                f"{shown(folder / INDEX)} names {one_line(name)[:80]!r}, which is no weight file of this folder",
                hint="download the model again from a source you trust",
            )
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"{shown(folder)} lacks {len(missing)} of {len(names)} weight files, such as {missing[0]}",
            hint="download the model again",
        )
    return tuple(folder / name for name in names)


def size_of(paths: Iterable[Path]) -> int:
    """Return the size in bytes of files; those that are not there count nothing."""
    total = 0
    for path in paths:
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def count_tensors(paths: Iterable[Path]) -> Tensors:
    """Count what safetensors files hold, from their headers.

    Raises:
        ModelError: A file is cut short or no safetensors file.
    """
    floats = other_bytes = 0
    for path in paths:
        for entry in read_header(path).values():
            shape, kind = entry.get("shape"), entry.get("dtype")
            if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
                raise _broken(path, "a tensor has no shape")
            if str(kind) in ("F64", "F32", "F16", "BF16"):
                floats += math.prod(shape)
            else:
                other_bytes += math.prod(shape) * _BITS.get(str(kind), 8) // 8
    return Tensors(floats, other_bytes)


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """Return tensor name -> {dtype, shape, data_offsets} of a safetensors file that is as long as it says.

    Raises:
        ModelError: The file is cut short or no safetensors file.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER):
                raise _broken(path, "it is cut short, or no safetensors file")
            header = json.loads(file.read(length))
    except OSError as error:
        raise _broken(path, error.strerror or "it cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, "its header is no JSON") from error
    if not isinstance(header, dict):
        raise _broken(path, "its header is no JSON object")
    header.pop("__metadata__", None)
    end = 0
    for entry in header.values():
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(isinstance(n, int) for n in offsets):
            raise _broken(path, "a tensor has no place in it")
        end = max(end, offsets[1])
    if end > size - 8 - length:
        raise _broken(path, f"it is cut short: {size} bytes of {end + 8 + length}")
    return header


def has_tokenizer(folder: Path) -> bool:
    """Return whether the folder holds any file that a tokenizer can be made of."""
    if any((folder / name).is_file() for name in TOKENIZER_FILES):
        return True
    return next(folder.glob("*.tiktoken"), None) is not None


def shown(path: Path) -> str:
    """Return a path as it may stand in a message: one line, without control characters."""
    return one_line(str(path))


def _broken(path: Path, reason: str) -> ModelError:
    return ModelError(f"{shown(path)} is broken: {reason}", hint="download or save the model again")
