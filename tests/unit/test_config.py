"""Settings: what is broken is reported, what is right is read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from steer_tui import config as config_module
from steer_tui.config import Config, load_config
from steer_tui.paths import Paths


def write(paths: Paths, text: str | bytes) -> Path:
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_bytes(text.encode() if isinstance(text, str) else text)
    return paths.config_file


def test_every_setting_is_checked() -> None:
    assert {field.name for field in fields(Config)} == {*config_module._CHECKS, "problem"}


def test_no_file_means_the_defaults_and_makes_none(paths: Paths) -> None:
    assert load_config(paths) == Config()
    assert not paths.config.exists()


def test_settings_are_read(paths: Paths) -> None:
    write(paths, 'model = "demo"\ndevice = "cuda:1"\ntemperature = 1\ntop_k = 40\nmouse = false\nfuture = 3\n')
    assert load_config(paths) == Config(model="demo", device="cuda:1", temperature=1, top_k=40, mouse=False)


@pytest.mark.parametrize(
    "entry",
    [
        *('temperature = "hot"', "temperature = -1", "temperature = nan", "temperature = true", "top_p = 2"),
        *("top_k = 1.5", "max_tokens = 0", "mouse = 1", 'device = "gpu"', 'dtype = "int8"', "model = 3", 'theme = ""'),
        *("dtype = []", "device = {}", "top_k = 99999999999999999999"),
    ],
)
def test_one_bad_value_spoils_itself_alone(paths: Paths, entry: str) -> None:
    write(paths, f"{entry}\nascii = true\noffline = true\n")
    config = load_config(paths)
    assert config.problem is not None and entry.split(" ")[0] in config.problem
    assert config == Config(ascii=True, offline=True, problem=config.problem)


@pytest.mark.parametrize(
    "data", [b"= [", b"\xff\xfe", b"a = " + b"[" * 100_000, b"#" * (2 << 20), b"a=1\na=2", b"\x00"]
)
def test_a_broken_file_is_reported(paths: Paths, data: bytes) -> None:
    write(paths, data)
    config = load_config(paths)
    assert config.problem and config == Config(problem=config.problem)
    assert paths.config_file.read_bytes() == data


def test_a_folder_in_the_files_place_is_reported(paths: Paths) -> None:
    paths.config_file.mkdir(parents=True)
    assert load_config(paths).problem
