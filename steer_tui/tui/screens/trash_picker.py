"""What is in the trash, newest first: enter brings a vector back."""

from __future__ import annotations

from collections.abc import Sequence

from steer_tui.library.catalogue import Listed
from steer_tui.library.trash import Removed
from steer_tui.session.library_messages import RestoreVectors
from steer_tui.tui.screens.dialog import Dialog
from steer_tui.tui.widgets.picker import Choice, Picker


class TrashPicker(Dialog[RestoreVectors]):
    """Answers with what is to be restored, under a free name where its own is taken."""

    WIDTH = 84

    def __init__(self, trash: Sequence[Removed], listed: Sequence[Listed]) -> None:
        self.picker = Picker("Trash", "filter")
        super().__init__(self.picker)
        self._trash = tuple(trash)
        self._taken = {(line.entry.path.parent.name, line.entry.name) for line in listed if not line.entry.bundled}
        self.picker.say("enter restores, esc leaves")
        self.picker.show([self._choice(index, removed) for index, removed in enumerate(trash)])

    def natural_height(self) -> int:
        """Keep one height while it is narrowed."""
        return max(6, self.picker.natural_height)

    def _choice(self, index: int, removed: Removed) -> Choice:
        name = self._free_name(removed)
        detail = removed.folder if name is None else f"{removed.folder}; {removed.name} is taken: back as {name}"
        return Choice(str(index), removed.name, detail, removed.removed.strftime("%Y-%m-%d %H:%M"))

    def _free_name(self, removed: Removed) -> str | None:
        """Return another name where its own is taken, None where it is not."""
        name, number = removed.name, 2
        while (removed.folder, name) in self._taken:
            name, number = f"{removed.name}-{number}", number + 1
        return None if name == removed.name else name

    def on_picker_chosen(self, event: Picker.Chosen) -> None:
        """Answer."""
        if event.choice is not None:
            removed = self._trash[int(event.choice.id)]
            self.dismiss(RestoreVectors((removed,), self._free_name(removed)))
