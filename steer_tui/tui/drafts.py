"""The concept that is being written, between two visits of its form and between two starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from steer_tui.session.concept_draft import ConceptDraft, load_draft, save_draft
from steer_tui.tui.saver import Saver


class Drafts:
    """The newest draft, on disk a moment after each change."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self.current = load_draft(path)
        self.saver = Saver(partial(save_draft, path), complain)

    def keep(self, draft: ConceptDraft) -> None:
        """Keep another draft; a blank one takes the file away."""
        if draft != self.current:
            self.current = draft
            self.saver.later(draft)
