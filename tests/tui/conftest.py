"""What every test of the screens stands on: toasts stay until they have been read, however slow the machine is."""

from __future__ import annotations

import pytest

from steer_tui.tui import quick


@pytest.fixture(autouse=True)
def lasting_toasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep toasts for ten minutes: a busy machine may take longer to look than a toast is there."""
    monkeypatch.setattr(quick, "SHORT", 600.0)
    monkeypatch.setattr(quick, "LONG", 600.0)
