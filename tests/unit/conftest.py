"""What several files of tests share: a model on disk, and a network that is not there."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder, to be left as it is."""
    from tests.unit.model_files import write_model  # most tests here need no torch

    return write_model(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A whole model folder, to be damaged."""
    return Path(shutil.copytree(written, tmp_path / "tiny-llama"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fail any attempt to reach another machine, and tell the test of it."""
    attempts: list[str] = []

    def refuse(*args: Any, **options: Any) -> Any:
        attempts.append(str(args))
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield attempts
    assert attempts == []
