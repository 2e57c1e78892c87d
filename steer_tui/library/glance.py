"""The small part of a vector's metadata: what lists show, sort and search by.

Plain values; knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steer_tui.engine.vectormeta import MadeFor, VectorMeta

_ROW = [list, str, str, list, str, str, int, str, list]


@dataclass(frozen=True, slots=True)
class Glance:
    """What `VectorMeta` holds under the same names, without its figures for each layer."""

    model: MadeFor
    group: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    site: str = ""
    method: str = ""
    pairs: int = 0
    created: str = ""
    best_layers: tuple[int, ...] = ()

    @classmethod
    def of(cls, meta: VectorMeta) -> Glance:
        """Return the small part of metadata."""
        return cls(
            meta.model,
            meta.group,
            meta.description,
            meta.tags,
            meta.site,
            meta.method,
            meta.pairs,
            meta.created,
            meta.best_layers,
        )

    def to_meta(self, name: str) -> VectorMeta:
        """Return metadata that holds no more than this."""
        return VectorMeta(
            name,
            self.model,
            self.group,
            self.description,
            self.tags,
            self.site,
            self.method,
            pairs=self.pairs,
            created=self.created,
            best_layers=self.best_layers,
        )

    def to_row(self) -> list[object]:
        """Return plain values for `from_row`."""
        model = self.model
        made_for = [model["id"], model["type"], model["layers"], model["width"], model["fingerprint"]]
        rest = [self.group, self.description, self.tags, self.site, self.method, self.pairs, self.created]
        return [made_for, *rest, self.best_layers]

    @classmethod
    def from_row(cls, row: list[Any]) -> Glance:
        """Return what `to_row` was made from.

        Raises:
            ValueError: The row was not made by `to_row`.
        """
        if list(map(type, row)) != _ROW:
            raise ValueError("no row of an index")
        (name, kind, layers, width, fingerprint), group, description, tags, site, method, pairs, created, best = row
        model = MadeFor(id=name, type=kind, layers=layers, width=width, fingerprint=fingerprint)
        return cls(model, group, description, tuple(tags), site, method, pairs, created, tuple(best))
