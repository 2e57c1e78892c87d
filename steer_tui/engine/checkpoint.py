"""What is known of a model before its weights are read: that it is a causal LM, and how large it is.

Promises to read configs and headers only. Knows nothing of devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from steer_tui.engine.loaderrors import needs_code
from steer_tui.engine.modelfiles import Tensors, count_tensors, names_causal_lm, read_config, weight_files
from steer_tui.engine.source import Source
from steer_tui.errors import ModelError

_HINT = "choose a decoder-only model; `steer-tui models` lists those in the local cache"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's description and files."""

    config: Any
    """The transformers config."""
    facts: dict[str, Any]
    """The config as plain values."""
    files: tuple[Path, ...]
    """The safetensors files; empty for GGUF."""
    tensors: Tensors


def open_checkpoint(source: Source) -> Checkpoint:
    """Read what a source's files say of themselves.

    Raises:
        ModelError: It is no causal LM, a file is missing or broken, or GGUF support is not installed.
    """
    if source.gguf is not None:
        return _open_gguf(source.folder, source.gguf)
    config = causal_config(source.folder, source.id)
    files = weight_files(source.folder)
    return Checkpoint(config, read_config(source.folder), files, count_tensors(files))


def causal_config(folder: Path, name: str) -> Any:
    """Return the transformers config of the causal LM in `folder`.

    Raises:
        ModelError: The config is missing or broken, or no causal LM that this transformers knows.
    """
    facts = read_config(folder)
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = facts.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING_NAMES:
        raise _unknown_kind(name, kind, facts)
    _check_causal(name, kind, facts)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    # A config may name an attention kernel to be fetched from the hub; the choice is ours.
    config._attn_implementation = None
    return config


def _unknown_kind(name: str, kind: object, facts: dict[str, Any]) -> ModelError:
    if "auto_map" in facts:
        return needs_code(name)
    if not isinstance(kind, str):
        return ModelError(f"the config.json of {name} names no model_type", hint=_HINT)
    from transformers import __version__

    return ModelError(
        f"{name} is of type {kind[:40]!r}, which transformers {__version__} does not know",
        hint="a newer transformers may: pip install --upgrade transformers",
    )


def _check_causal(name: str, kind: str, facts: dict[str, Any]) -> None:
    """Refuse what writes no text from left to right, by its type and by what it was saved as."""
    from transformers.models.auto import modeling_auto

    names = facts.get("architectures")
    first = str(names[0])[:60] if isinstance(names, list) and names else kind
    causal = kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    # Encoders such as BERT can be loaded as decoders, which they were never trained to be.
    encoder = kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not facts.get("is_decoder")
    # A bare `LlamaModel` may still hold an unembedding; the weights will tell.
    other_head = bool(names) and not names_causal_lm(facts) and not first.endswith("Model")
    if not causal or encoder or other_head or facts.get("is_encoder_decoder"):
        raise ModelError(f"{name} is no causal language model ({first})", hint=_HINT)


def _open_gguf(folder: Path, file: str) -> Checkpoint:
    """Describe a `.gguf` file; its numbers are unpacked when it is loaded."""
    missing = [package for package in ("gguf", "accelerate") if util.find_spec(package) is None]
    if missing:
        raise ModelError(
            f"reading a .gguf file needs the package {' and '.join(missing)}",
            hint="install them with: pip install 'steer-tui[gguf]'",
        )
    from gguf import GGUFReader
    from transformers import AutoConfig

    reader = GGUFReader(folder / file)
    floats = sum(int(tensor.n_elements) for tensor in reader.tensors)
    config = AutoConfig.from_pretrained(folder, gguf_file=file, local_files_only=True, trust_remote_code=False)
    config._attn_implementation = None
    return Checkpoint(config, config.to_dict(), (), Tensors(floats, 0))
