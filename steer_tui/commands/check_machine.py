"""Checks of the interpreter, the libraries and the hardware. They allocate a few megabytes at most."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from steer_tui.commands.check import Check
from steer_tui.engine.memory import SLACK, host_free, human

OLDEST_PYTHON = (3, 11)
_SIDE = 1024
"""Side of the square matrix that a precision is tried on."""


def machine_checks() -> Iterator[Check]:
    """Yield what this machine computes with."""
    yield python_check()
    yield packages_check()
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("torch", "broken", f"{error}", "pip install -c constraints.txt . installs a build that fits")
        return
    yield Check(
        "torch",
        "ok",
        f"{torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}",
        "OMP_NUM_THREADS sets the number of threads",
    )
    yield device_check()
    yield precision_check()
    yield memory_check()


def python_check() -> Check:
    """Return whether the interpreter is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check("python", "broken", found, "Python 3.11 or newer is needed")
    return Check("python", "ok", found, "new enough")


def packages_check() -> Check:
    """Return which of the libraries are there; the extras may be absent."""
    found: list[str] = []
    missing: list[str] = []
    for name in ("transformers", "safetensors", "textual"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", "broken", f"without {', '.join(missing)}", "pip install -c constraints.txt .")
    extras = {"gguf": "gguf", "accelerate": "multi-gpu"}
    absent = [extra for package, extra in extras.items() if not _is_installed(package)]
    if absent:
        return Check("packages", "ok", ", ".join(found), f"optional: pip install '.[{','.join(absent)}]'")
    return Check("packages", "ok", ", ".join(found), "gguf files and device maps work too")


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def device_check() -> Check:
    """Return the devices there are; the first is what `--device auto` takes."""
    import torch

    devices: list[str] = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices.append(f"cuda:{index} {properties.name} {human(properties.total_memory)}")
    if torch.backends.mps.is_available():
        devices.append("mps")
    devices.append("cpu")
    if len(devices) > 1:
        return Check("device", "ok", "; ".join(devices), f"--device auto takes {devices[0].split()[0]}")
    reason = "this torch is built without CUDA" if not torch.backends.cuda.is_built() else "CUDA finds no GPU"
    return Check("device", "ok", "cpu", f"{reason}; small models run well on the CPU")


def precision_check() -> Check:
    """Return which precisions multiply on the device that `auto` takes, and how fast beside float32."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    seconds: dict[str, float] = {}
    for name in ("float32", "bfloat16", "float16"):
        taken = _time_product(device, name)
        if taken is not None:
            seconds[name] = taken
    if "float32" not in seconds:
        return Check("precision", "broken", f"no float32 on {device}", "--device cpu avoids this device")
    found = ", ".join(f"{name} x{seconds['float32'] / taken:.1f}" for name, taken in seconds.items())
    fastest = min(seconds, key=lambda name: seconds[name])
    return Check("precision", "ok", f"{device}: {found}", f"speed of one product; {fastest} is fastest here")


def _time_product(device: str, dtype: str) -> float | None:
    """Return the least seconds of a matrix times a vector, None where the device cannot do it."""
    import torch

    wait: Callable[[], object] = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(
        device, lambda: None
    )
    try:
        matrix = torch.ones(_SIDE, _SIDE, device=device, dtype=getattr(torch, dtype))
        vector = torch.ones(_SIDE, device=device, dtype=matrix.dtype)
        best = float("inf")
        for _ in range(8):
            wait()
            start = time.perf_counter()
            torch.mv(matrix, vector)
            wait()
            best = min(best, time.perf_counter() - start)
    except (RuntimeError, TypeError):
        return None
    return best


def memory_check() -> Check:
    """Return the main memory that is free, and the model that it holds."""
    free = host_free()
    if free is None:
        return Check("memory", "note", "cannot be told here", "watch it yourself when you load a large model")
    billions = free / SLACK / 4 / 1e9
    advice = f"holds about {billions:.1f}B parameters in float32, twice that in bfloat16"
    return Check("memory", "ok", f"{human(free)} free", advice)
