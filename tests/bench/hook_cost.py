"""Print what each detector and controller costs per token: `python tests/bench/hook_cost.py [rounds]`.

On the random Llama of 124M; exit status 1 where watching mean and std at all blocks costs more than 3%. What has a
target is timed for longer than the rest.
"""

from __future__ import annotations

import sys

from steer_tui.engine.hookbench import SHOWN, WATCHED, bench_hooks
from steer_tui.engine.random_llama import random_llama

MOST = 1.03


def main() -> int:
    """Print every ratio, and the target beside those that have one."""
    missed = 0
    lm, rounds = random_llama(), int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for cost in bench_hooks(lm, rounds=rounds, tokens=48):
        line = f"{cost.hook:30} {cost.ratio:6.3f} +- {cost.error:.3f} of no hook  {cost.milliseconds:+7.3f} ms a token"
        if cost.hook in (WATCHED, SHOWN):
            is_met = cost.ratio <= MOST
            missed |= not is_met
            line += f"   {'met' if is_met else 'MISSED'}: at most {MOST}"
        print(line)
    return missed


if __name__ == "__main__":
    sys.exit(main())
