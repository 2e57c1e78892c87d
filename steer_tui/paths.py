"""Where things are kept on this machine, and where the files that ship with the product are.

Promises that no folder is made by looking; knows nothing of what the files hold.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from steer_tui.errors import LibraryError

APP_NAME = "steer-tui"
HOME_VARIABLE = "STEER_TUI_HOME"
BUNDLED_KINDS = ("themes", "vectors")


@dataclass(frozen=True, slots=True)
class Paths:
    """The three folders of a user; none of them need exist."""

    config: Path
    """config.toml, keys.toml and themes/."""
    data: Path
    """vectors/, concepts/ and trash/."""
    state: Path
    """The journal, the session and the log."""

    @property
    def config_file(self) -> Path:
        """Settings, TOML."""
        return self.config / "config.toml"

    @property
    def keys_file(self) -> Path:
        """The user's own keys, TOML."""
        return self.config / "keys.toml"

    @property
    def themes(self) -> Path:
        """The user's own themes, one TOML file each."""
        return self.config / "themes"

    @property
    def vectors(self) -> Path:
        """The user's vectors, one folder per model."""
        return self.data / "vectors"

    @property
    def concepts(self) -> Path:
        """The user's concept files."""
        return self.data / "concepts"

    @property
    def trash(self) -> Path:
        """What was removed and can be restored."""
        return self.data / "trash"

    @property
    def journal(self) -> Path:
        """Runs, SQLite."""
        return self.state / "journal.sqlite3"

    @property
    def session(self) -> Path:
        """What the workbench showed last, JSON."""
        return self.state / "session.json"

    @property
    def concept_draft(self) -> Path:
        """The concept that is being written, JSON."""
        return self.state / "concept-draft.json"

    @property
    def timings(self) -> Path:
        """Which way to compute is quicker on this machine, JSON."""
        return self.state / "timings.json"

    @property
    def log(self) -> Path:
        """Where everything goes that must not reach the screen."""
        return self.state / "steer-tui.log"


def find_paths(data_dir: Path | None = None) -> Paths:
    """Return the user's folders: below `data_dir`, else below STEER_TUI_HOME, else where the platform keeps them."""
    home = data_dir if data_dir is not None else _home_from_environment()
    if home is not None:
        root = Path(os.path.abspath(os.path.expanduser(home)))
        return Paths(root / "config", root / "data", root / "state")
    from platformdirs import PlatformDirs

    dirs = PlatformDirs(APP_NAME, appauthor=False)
    return Paths(dirs.user_config_path, dirs.user_data_path, dirs.user_state_path)


def _home_from_environment() -> Path | None:
    value = os.environ.get(HOME_VARIABLE, "").strip()
    return Path(value) if value else None


def bundled(kind: str) -> Path:
    """Return the folder of the shipped `themes` or `vectors`, in a checkout and in an installed wheel alike.

    Raises:
        LibraryError: `kind` is not one that ships, or the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    # The wheel comes first: beside an installed package stand other people's folders.
    for root in (package / "_bundled", package.parent):
        folder = root / kind
        if kind in BUNDLED_KINDS and folder.is_dir():
            return folder
    raise LibraryError(f"the bundled {kind} are missing from this installation", hint="install steer-tui again")
