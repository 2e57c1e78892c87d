"""A screen over another that answers once, whatever keys arrive after the one that closed it."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

from steer_tui.tui.paints import CLASSES

R = TypeVar("R")


class Modal(ModalScreen[R], Generic[R]):
    """A screen that takes all keys until it is closed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(CLASSES)

    def dismiss(self, result: R | None = None) -> AwaitComplete:
        """Close with an answer, and all that lies over it; closed already, it leaves the screen below alone."""
        if self not in self.app.screen_stack:
            return AwaitComplete.nothing()
        while self.app.screen is not self:
            self.app.screen.dismiss()
        return super().dismiss(result)
