"""How much memory there is and how much a model takes. No torch at import.

Promises estimates, not measurements: `needed_bytes` errs to the large side, and free memory is None where the system
does not say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from steer_tui.engine.modelfiles import Tensors

SLACK = 1.1
"""Buffers, activations and the allocator's waste, as a factor on the weights."""
CACHE_TOKENS = 2048
"""Tokens of a key-value cache that a load leaves room for."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where a model would go by default."""

    free: int | None
    """Bytes; None where the system does not say."""
    itemsize: int
    """Bytes per number of the default dtype there."""


def needed_bytes(tensors: Tensors, itemsize: int, config: dict[str, Any]) -> int:
    """Return the bytes that a model takes with numbers of `itemsize` bytes, a short key-value cache included."""
    return int((tensors.floats * itemsize + tensors.other_bytes) * SLACK) + _cache_bytes(config, itemsize)


def _cache_bytes(config: dict[str, Any], itemsize: int) -> int:
    """Return the bytes of keys and values of `CACHE_TOKENS` tokens; 0 where the config does not tell."""
    text = config.get("text_config")
    config = text if isinstance(text, dict) else config

    def number(*names: str) -> int:
        return next((v for name in names if isinstance(v := config.get(name), int) and v > 0), 0)

    width, heads = number("hidden_size", "n_embd", "d_model"), number("num_attention_heads", "n_head", "n_heads") or 1
    head = number("head_dim") or width // heads
    tokens = min(number("max_position_embeddings", "n_positions", "max_seq_len") or CACHE_TOKENS, CACHE_TOKENS)
    layers = number("num_hidden_layers", "n_layer", "n_layers", "num_layers")
    return 2 * layers * (number("num_key_value_heads") or heads) * head * tokens * itemsize


def human(size: int) -> str:
    """Return a size in the unit that suits it: `640 kB`, `12.3 MB`, `1.6 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}" if size < 100 * scale else f"{size / scale:.0f} {unit}"
    return f"{size} B"


def default_room() -> Room:
    """Return where a model goes with device and dtype `auto`, guessed without importing torch."""
    gpu = _nvidia_free()
    if gpu is not None:
        return Room(gpu, 2)
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return Room(host_free(), 2)
    return Room(host_free(), 4)


def _nvidia_free() -> int | None:
    """Return the free bytes of the first NVIDIA GPU; None without one that this torch can use."""
    try:
        if "+cpu" in metadata.version("torch"):
            return None
    except metadata.PackageNotFoundError:
        return None
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or shutil.which("nvidia-smi") is None:
        return None
    text = _output("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
    match = re.match(r"\s*(\d+)\s*$", text.partition("\n")[0])
    return int(match[1]) << 20 if match else None


def host_free() -> int | None:
    """Return the bytes of main memory that can be had without swapping, a container's limit honoured."""
    if sys.platform.startswith("linux"):
        return _least(_meminfo_available(), _cgroup_free())
    if sys.platform == "darwin":
        return _darwin_free(_output("vm_stat"))
    return None


def _least(*sizes: int | None) -> int | None:
    return min((size for size in sizes if size is not None), default=None)


def _meminfo_available(path: Path = Path("/proc/meminfo")) -> int | None:
    match = re.search(r"^MemAvailable:\s+(\d+) kB", _text(path), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _cgroup_free(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return what the tightest of this process's control groups still allows; None where none limits memory."""
    match = re.search(r"^0::/(.*)$", _text(own), re.MULTILINE)
    folder = root / match[1] if match and ".." not in match[1] else root
    rooms: list[int | None] = []
    for group in (folder, *folder.parents):
        if not group.is_relative_to(root):
            break
        rooms.append(_group_free(group, "memory.max", "memory.current", "inactive_file"))
    old = root / "memory"
    rooms.append(_group_free(old, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
    return _least(*rooms)


def _group_free(group: Path, limit_name: str, used_name: str, reclaimable_name: str) -> int | None:
    limit, used = _text(group / limit_name).strip(), _text(group / used_name).strip()
    if not limit.isdigit() or not used.isdigit():  # "max", or no such file
        return None
    match = re.search(rf"^{reclaimable_name} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
    return max(0, int(limit) - int(used) + (int(match[1]) if match else 0))


def _darwin_free(report: str) -> int | None:
    """Return free, inactive, speculative and purgeable pages of a `vm_stat` report, in bytes."""
    page = re.search(r"page size of (\d+) bytes", report)
    pages = re.findall(r"^Pages (?:free|inactive|speculative|purgeable):\s+(\d+)\.", report, re.MULTILINE)
    return int(page[1]) * sum(map(int, pages)) if page and pages else None


def device_free(device: Any, spread: bool = False) -> int | None:
    """Return the bytes free on a torch device; with `spread`, on all GPUs and in main memory together."""
    import torch

    if device.type != "cuda":
        return host_free()
    get: Callable[[Any], tuple[int, int]] = torch.cuda.mem_get_info
    # What torch's allocator holds and does not use is free to us, though not to the driver.
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if not spread:
        return get(device)[0] + held
    return sum(get(index)[0] for index in range(torch.cuda.device_count())) + held + (host_free() or 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=3, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
