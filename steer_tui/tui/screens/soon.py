"""A screen whose panes are not there: says what it is for and what serves meanwhile."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from steer_tui.tui.screens.base import WorkbenchScreen

ABOUT: dict[str, tuple[str, str, str]] = {
    "learn": (
        "Learn",
        "Lessons that are done, not read: what activations are, why the middle layers, strength and collapse, "
        "baselines, mixing, and a vector that does nothing.",
        "For now, on Steer, r shows a first steered text beside its baseline; = until it breaks, and watch "
        "perplexity and KL.",
    ),
}


class SoonScreen(WorkbenchScreen):
    """What a screen is for, and the way until it is there."""

    def __init__(self, name: str) -> None:
        self.NAME = name
        super().__init__(name=name)

    def body(self) -> ComposeResult:
        """Return the words."""
        title, purpose, meanwhile = ABOUT[self.NAME]
        words = Content.assemble(
            (title, "bold $primary"), "\n\n", purpose, "\n\n", (meanwhile, "$foreground-muted"), "\n\n",
            ("1", "bold $footer-key-foreground"), " back to Steer",
        )  # fmt: skip
        yield Static(words, id="soon")
