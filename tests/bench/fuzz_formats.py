"""Damages files of every importable format and reads each: imported or refused in one line, in time and memory.

Run: python tests/bench/fuzz_formats.py [--files 2000] [--seed 0] [--giants] [--json]. Each format is read in a process
of its own, in which every file opened for writing, every program started and every connection made is noticed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

MODEL = {"id": "org/tiny", "type": "llama", "layers": 6, "width": 16, "fingerprint": "ab12"}
WATCHED = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "os.remove", "os.rename",
           "os.mkdir", "os.rmdir", "os.chmod", "os.symlink", "os.link", "ctypes.dlopen",
           "pickle.find_class")  # fmt: skip


def peak_kb() -> int:
    """Return the most memory this process held since `forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def forget_peak() -> int:
    """Begin to measure anew; return what is held now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_kb()


class Watch:
    """Notices what a reader must never do."""

    def __init__(self, allowed: Path) -> None:
        self.allowed = str(allowed)
        self.seen: list[str] = []
        self.is_on = False
        sys.addaudithook(self._notice)

    def _notice(self, event: str, details: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in WATCHED:
            self.seen.append(f"{event} {details!r:.80}")
        elif event == "open" and isinstance(details[1], str) and details[1].strip("rbt"):
            self.seen.append(f"open {details!r:.80}")


def read_all(folder: Path) -> dict[str, Any]:
    """Read every file in a folder; return the worst figures and what went wrong."""
    import torch

    torch.set_num_threads(1)
    from steer_tui.errors import SteerError
    from steer_tui.library.formats.registry import read_vectors
    from tests.unit.foreign_files import samples

    files = sorted(folder.glob("*/*"))
    with tempfile.TemporaryDirectory() as warm:  # first calls import and allocate what later ones use again
        for name, data in samples().items():
            (Path(warm) / name).write_bytes(data)
            read_vectors(Path(warm) / name)
    watch = Watch(folder)
    found: dict[str, Any] = {"files": len(files), "wrong": [], "reasons": {}}
    found |= dict.fromkeys(("imported", "asked", "refused"), 0) | dict.fromkeys(("seconds", "cpu", "megabytes"), 0.0)
    found |= {"slowest": "", "largest": ""}
    for path in files:
        held, started, worked = forget_peak(), time.perf_counter(), time.process_time()
        watch.is_on = True
        try:
            got = read_vectors(path, model=MODEL if path.parent.name.endswith("m") else None)  # type: ignore[arg-type]
            kind = "imported" if got.vectors else "asked"
            lines = [*got.notes, *(vector.name for vector in got.vectors)]
        except SteerError as error:
            kind, lines = "refused", [error.message, error.hint or ""]
            reason = "".join(character for character in error.message if not character.isdigit())[:60]
            found["reasons"][reason] = found["reasons"].get(reason, 0) + 1
        except BaseException as error:
            kind, lines = "wrong", []
            found["wrong"].append(f"{path.parent.name}/{path.name}: {type(error).__name__}: {error!s:.120}")
        watch.is_on = False
        found["cpu"] = max(found["cpu"], time.process_time() - worked)
        seconds, megabytes = time.perf_counter() - started, (peak_kb() - held) / 1024
        if kind != "wrong":
            found[kind] += 1
        if not all(line.isprintable() and len(line) < 400 for line in lines):
            found["wrong"].append(f"{path.parent.name}/{path.name}: not one clean line: {lines!r:.200}")
        if seconds > found["seconds"]:
            found["seconds"], found["slowest"] = seconds, f"{path.name} {lines!r:.100}"
        if megabytes > found["megabytes"]:
            found["megabytes"], found["largest"] = megabytes, f"{path.name} {lines!r:.100}"
    if sorted(folder.glob("*/*")) != files:
        found["wrong"].append("files came or went")
    found["wrong"] += watch.seen[:20]
    return found


def fuzz(name: str, data: bytes, count: int, seed: int) -> dict[str, Any]:
    """Write `count` damaged forms of a file and read them in another process."""
    from tests.unit.foreign_files import mutate

    draw = random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            put(Path(folder) / f"{number:05}{'m' if number % 2 else ''}" / name, mutate(data, draw))
        return read_elsewhere(Path(folder))


def put(path: Path, data: bytes) -> None:
    """Write a file into a folder that is made for it."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def read_elsewhere(folder: Path) -> dict[str, Any]:
    """Read a folder's files in a process of its own."""
    ran = subprocess.run(
        [sys.executable, __file__, "--read", str(folder)], capture_output=True, text=True, timeout=1800, check=False
    )
    if ran.returncode:
        return {"files": 0, "wrong": [f"ended with {ran.returncode}: {ran.stderr[-400:]}"]}
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="formats whose name holds this")
    parser.add_argument("--giants", action="store_true", help="also files made to cost memory, each by itself")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read is not None:
        print(json.dumps(read_all(args.read)))
        return 0
    from tests.unit.foreign_files import samples
    from tests.unit.foreign_giants import giants

    report: dict[str, Any] = {}
    for name, data in samples().items():
        if args.only in name and args.files:
            report[name] = fuzz(name, data, args.files, args.seed)
    for name, make in giants().items():
        if args.giants and args.only in name:
            with tempfile.TemporaryDirectory() as folder:
                put(Path(folder) / "giant" / name, make())
                report[name] = read_elsewhere(Path(folder))
    if args.json:
        print(json.dumps(report))
    else:
        show(report)
    return int(any(found["wrong"] for found in report.values()))


def show(report: dict[str, Any]) -> None:
    """Print a row for each format, then whatever was wrong."""
    print(f"{'format':24}{'files':>7}{'imported':>10}{'asked':>7}{'refused':>9}{'max s':>8}{'cpu s':>8}{'max MB':>8}")
    for name, found in report.items():
        if found["files"]:
            counts = f"{found['files']:7}{found['imported']:10}{found['asked']:7}{found['refused']:9}"
            print(f"{name:24}{counts}{found['seconds']:8.3f}{found['cpu']:8.3f}{found['megabytes']:8.1f}")
            if found["seconds"] > 0.2 or found["megabytes"] > 50:
                print(f"    slowest {found['slowest']}\n    largest {found['largest']}")
    for name, found in report.items():
        for line in found["wrong"][:10]:
            print(f"WRONG {name}: {line}")


if __name__ == "__main__":
    sys.exit(main())
