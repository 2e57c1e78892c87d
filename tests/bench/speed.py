"""Hold `steer-tui bench` to its targets: `python tests/bench/speed.py`; exit status 1 where one is missed.

The targets are for the random Llama of `bench` on a CPU with nothing else to do; ratios of one run.
"""

from __future__ import annotations

import sys

from steer_tui.engine.bench import bench
from steer_tui.engine.random_llama import random_llama

TARGETS = {
    "loop": (0.95, "of model.generate"),
    "steered": (0.95, "of the loop"),
    "steered, statistics": (0.97, "of steered"),
    "a/b": (1 / 1.35, "of the loop: 1.35 times the time of one row"),
    "a/b, statistics": (0.97, "of a/b"),
}
"""Work -> (least ratio, to what)."""


def main() -> int:
    """Print every ratio beside its target."""
    report = bench(random_llama(), rounds=15)
    missed = 0
    for row in report.rows:
        line = f"{row.work:22} {row.tokens_per_second:7.1f} tok/s a row  {row.ratio:.3f} of {row.to}"
        if row.work in TARGETS:
            least, what = TARGETS[row.work]
            met = row.ratio >= least
            missed += not met
            line += f"   {'met' if met else 'MISSED'}: at least {least:.3f} {what}"
        print(line)
    print(f"floor {report.floor_tokens_per_second:.1f} tok/s; {report.machine}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
