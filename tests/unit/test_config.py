"""Settings: what is broken is reported and kept, what a person wrote stays."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer_tui import config as config_module
from steer_tui.config import Config, load_config, save_config
from steer_tui.paths import Paths, find_paths
from steer_tui.text import clean


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
def test_a_broken_file_is_reported_and_kept_when_settings_are_saved(paths: Paths, data: bytes) -> None:
    write(paths, data)
    config = load_config(paths)
    assert config.problem and config == Config(problem=config.problem)
    save_config(paths, replace(config, theme="ember"))
    assert load_config(paths) == Config(theme="ember")
    assert paths.config_file.with_name("config.toml.broken").read_bytes() == data


def test_a_folder_in_the_files_place_is_reported(paths: Paths) -> None:
    paths.config_file.mkdir(parents=True)
    assert load_config(paths).problem


def test_comments_and_unknown_entries_stay_when_one_setting_changes(paths: Paths) -> None:
    write(paths, '# mine\ntheme = "ember"\nfuture = [1, 2]\n\n[table]\ntheme = "inner"\n')
    save_config(paths, replace(load_config(paths), theme="fjord", top_k=5))
    text = paths.config_file.read_text()
    assert '# mine\ntheme = "fjord"\nfuture = [1, 2]\n\n[table]\ntheme = "inner"\n' in text
    assert load_config(paths) == Config(theme="fjord", top_k=5)


def test_a_setting_set_back_to_none_leaves_the_file(paths: Paths) -> None:
    write(paths, 'model = "x"\nascii = true\n')
    save_config(paths, replace(load_config(paths), model=None))
    assert paths.config_file.read_text() == "ascii = true\n"


def test_saving_what_is_there_touches_nothing(paths: Paths) -> None:
    file = write(paths, "ascii = true # so\n")
    before = file.stat().st_mtime_ns, file.stat().st_ino
    save_config(paths, load_config(paths))
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


def test_a_multiline_text_that_looks_like_a_setting_is_kept_beside(paths: Paths) -> None:
    old = 'note = """\ntheme = "no"\n"""\n'
    write(paths, old)
    save_config(paths, Config(theme="ember"))
    assert load_config(paths) == Config(theme="ember")
    assert paths.config_file.with_name("config.toml.broken").read_text() == old


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    theme=st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"])).filter(str.strip),
    temperature=st.floats(0, 100),
    top_k=st.integers(0, 10**6),
    mouse=st.booleans(),
)
def test_what_is_saved_is_loaded(
    tmp_path: Path, theme: str | None, temperature: float, top_k: int, mouse: bool
) -> None:
    paths = find_paths(tmp_path)
    theme = None if theme is None else clean(theme).strip() or None
    config = Config(theme=theme, temperature=temperature, top_k=top_k, mouse=mouse)
    save_config(paths, config)
    assert load_config(paths) == config
