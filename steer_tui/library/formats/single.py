"""Which block a format gets that holds one direction only."""

from __future__ import annotations

from steer_tui.engine.resolve import first_best
from steer_tui.engine.vector import SteeringVector


def chosen_layer(vector: SteeringVector) -> tuple[int, list[str]]:
    """Return the first recommended block of a vector, and a note where others are left out."""
    layer = first_best(vector)
    others = len(vector.layers) - 1
    return layer, [f"this format holds one block: {layer}, of {others + 1}"] if others else []
