"""The library read while the engine is at work on something else: the same list as the engine's own, without torch.

May block on a slow disk: call it off the screen's thread.
"""

from __future__ import annotations

from steer_tui.engine.types import ModelInfo
from steer_tui.library.store import VectorStore
from steer_tui.paths import Paths
from steer_tui.session.library_messages import LibraryListed


def read_library(paths: Paths, info: ModelInfo | None) -> LibraryListed:
    """Return every vector file as seen from a model, and the trash; reads headers only and changes nothing.

    Args:
        paths: The user's folders.
        info: The model in use; None where there is none.
    """
    store = VectorStore(paths)
    return LibraryListed(tuple(store.catalogue(info)), tuple(store.trash()))
