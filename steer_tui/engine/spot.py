"""Names of the places where vectors act: a block's output by its number, any other site by its name and layer.

Plain values, no torch.
"""

from __future__ import annotations

from steer_tui.engine.extractchoices import BLOCK_OUT

Spot = int | tuple[str, int]
"""Block index, or (site, layer)."""

STAR = "*"
"""Stands for the block's number in a site that is a path."""
_POINTS = {
    BLOCK_OUT: "blocks.*.hook_resid_post",
    "attn_out": "blocks.*.hook_attn_out",
    "mlp_out": "blocks.*.hook_mlp_out",
}


def spot(site: str, layer: int) -> Spot:
    """Return the spot of a site at a layer."""
    return layer if site in (BLOCK_OUT, _POINTS[BLOCK_OUT]) else (site, layer)


def point_name(site: str, layer: int) -> str:
    """Return the hook point or module path of a site at a layer."""
    return _POINTS.get(site, site).replace(STAR, str(layer))


def spot_order(one: Spot) -> tuple[int, str]:
    """Return what spots are sorted by: layers first."""
    return (one, "") if isinstance(one, int) else (one[1], one[0])
