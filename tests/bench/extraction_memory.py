"""Peak memory of extraction against the number of pairs, for concepts whose activations are too many to be kept.

`python tests/bench/extraction_memory.py [METHOD]` prints the peak after each size; each is four times the last one.
"""

from __future__ import annotations

import resource
import sys
import time

import torch

from steer_tui.engine import extraction
from steer_tui.engine.extract import extract
from steer_tui.engine.loading import load_model
from steer_tui.library.pairtexts import from_sides

_KEEP = 2**20
_SIZES = (200, 800, 3200)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    method = sys.argv[1] if len(sys.argv) > 1 else "pca"
    extraction.KEEP_BYTES = _KEEP
    lm = load_model("demo")
    for count in _SIZES:
        sides = [[f"I {word} day {number} and the wind" for number in range(count)] for word in ("love", "see")]
        begun = time.perf_counter()
        extract(lm, [from_sides(*sides).as_concept("many")], method=method)
        kept = 2 * count * lm.info.layers * lm.info.width * 4 / 2**20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = time.perf_counter() - begun
        print(f"{count:6d} pairs, activations {kept:6.1f} MiB: peak {peak:7.1f} MiB, {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
