"""How much memory there is and how much is needed, from what systems report."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from steer_tui.engine import memory
from steer_tui.engine.memory import host_free, human, needed_bytes
from steer_tui.engine.modelfiles import Tensors


def test_weights_count_at_the_dtype_they_are_loaded_in() -> None:
    assert needed_bytes(Tensors(1000, 0), 4, {}) == 4400
    assert needed_bytes(Tensors(1000, 0), 2, {}) == 2200
    assert needed_bytes(Tensors(0, 500), 4, {}) == 550


@pytest.mark.parametrize(
    "config",
    [
        {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 100},
        {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 100},
        {"text_config": {"hidden_size": 64, "num_hidden_layers": 3, "max_position_embeddings": 100}},
    ],
)
def test_room_is_left_for_keys_and_values(config: dict[str, object]) -> None:
    assert needed_bytes(Tensors(0, 0), 4, config) == 2 * 3 * 64 * 100 * 4


def test_fewer_key_heads_take_less_and_a_long_context_is_not_reserved_whole() -> None:
    config = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 8, "num_key_value_heads": 2}
    assert needed_bytes(Tensors(0, 0), 2, config | {"max_position_embeddings": 1 << 20}) == 2 * 16 * 2048 * 2


@pytest.mark.parametrize("config", [{}, {"hidden_size": "x", "num_hidden_layers": None}, {"num_attention_heads": 0}])
def test_a_config_that_tells_nothing_costs_nothing(config: dict[str, object]) -> None:
    assert needed_bytes(Tensors(0, 0), 4, config) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_this_machine_has_some_memory() -> None:
    free = host_free()
    assert free is not None and 1 << 24 < free < 1 << 50


def test_the_tightest_control_group_counts_less_its_reclaimable_cache(tmp_path: Path) -> None:
    group = tmp_path / "user" / "job"
    group.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/user/job\n")
    (group.parent / "memory.max").write_text("1000\n")
    (group.parent / "memory.current").write_text("900\n")
    (group.parent / "memory.stat").write_text("anon 1\ninactive_file 300\n")
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("900\n")
    assert memory._cgroup_free(tmp_path, tmp_path / "own") == 400


def test_without_a_limit_no_control_group_counts(tmp_path: Path) -> None:
    assert memory._cgroup_free(tmp_path, tmp_path / "none") is None


def test_a_mac_reports_pages() -> None:
    report = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               10.\nPages active:                             99.\n"
        "Pages inactive:                            5.\nPages speculative:                         1.\n"
        "Pages purgeable:                           4.\n"
    )
    assert memory._darwin_free(report) == 20 * 16384
    assert memory._darwin_free("") is None


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (640_000, "640 kB"), (12_300_000, "12.3 MB"), (1.6e9, "1.6 GB")]
)
def test_sizes_are_told_in_a_unit_that_suits_them(size: float, text: str) -> None:
    assert human(int(size)) == text
